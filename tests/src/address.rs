//! The parts of a database URL that the harness has to change.

/// The parts of `scheme://user@host:port/database?options`.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// Everything before the host: scheme and user.
    before: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    database: String,
    /// The options, with their question mark, or nothing.
    options: String,
}

impl Address {
    /// # Panics
    ///
    /// When the text is not the URL of a database server.
    pub(crate) fn parse(url: &str) -> Self {
        let (scheme, rest) = url
            .split_once("://")
            .unwrap_or_else(|| panic!("not the URL of a database server: {url}"));
        let (rest, options) = match rest.find('?') {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, ""),
        };
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host_and_port) = match authority.rfind('@') {
            Some(at) => authority.split_at(at + 1),
            None => ("", authority),
        };
        let (host, port) = match host_and_port.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().expect("the port of a URL is a number")),
            None if scheme.starts_with("postgres") => (host_and_port, 5432),
            None => (host_and_port, 3306),
        };
        Self {
            before: format!("{scheme}://{user}"),
            host: host.to_owned(),
            port,
            database: database.to_owned(),
            options: options.to_owned(),
        }
    }

    pub(crate) fn with_database(mut self, database: &str) -> Self {
        database.clone_into(&mut self.database);
        self
    }

    pub(crate) fn with_local_port(mut self, port: u16) -> Self {
        "127.0.0.1".clone_into(&mut self.host);
        self.port = port;
        self
    }

    pub(crate) fn url(&self) -> String {
        let Self {
            before,
            host,
            port,
            database,
            options,
        } = self;
        format!("{before}{host}:{port}/{database}{options}")
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn only_the_requested_part_of_a_url_changes() {
        let address = Address::parse("postgres://me:s3:c@db.local/app?sslmode=disable");
        assert_eq!(
            address.clone().with_database("other").url(),
            "postgres://me:s3:c@db.local:5432/other?sslmode=disable"
        );
        assert_eq!(
            address.with_local_port(7).url(),
            "postgres://me:s3:c@127.0.0.1:7/app?sslmode=disable"
        );
        assert_eq!(
            Address::parse("mysql://localhost").url(),
            "mysql://localhost:3306/"
        );
    }
}
