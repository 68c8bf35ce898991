//! MySQL and MariaDB cannot copy a database: the changes are applied to each.

use std::str::FromStr;

use async_trait::async_trait;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySql};

use super::{Clonable, Fill, Made, TemplateOf, is_old, new_name};
use crate::util::boxed::BoxError;

#[async_trait]
impl Clonable for MySql {
    async fn make(url: &str, _: &TemplateOf, fill: Fill<'_, MySql>) -> Result<Made, BoxError> {
        let options = MySqlConnectOptions::from_str(url)?;
        let mut admin = MySqlConnection::connect_with(&options).await?;
        remove_old(&mut admin).await?;
        let name = new_name();
        run(&mut admin, format!("CREATE DATABASE {name}")).await?;
        admin.close().await?;
        let own = options.clone().database(&name);
        let filled = async {
            let pool = MySqlPoolOptions::new().connect_with(own.clone()).await?;
            fill(pool).await
        };
        let filled: Result<(), BoxError> = filled.await;
        if let Err(error) = filled {
            remove(options, name).await?;
            return Err(error);
        }
        Ok(Made {
            url: own.to_url_lossy().to_string(),
            remove: Box::new(move || Box::pin(remove(options, name))),
        })
    }
}

async fn run(connection: &mut MySqlConnection, text: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(connection)
        .await
        .map(drop)
}

/// Removes the databases of tests that have ended long ago.
async fn remove_old(admin: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    let text = "SELECT CAST(SCHEMA_NAME AS CHAR) FROM information_schema.SCHEMATA \
                WHERE SCHEMA_NAME LIKE 'flamingock\\_test\\_%'";
    let names: Vec<String> = sqlx::query_scalar(text).fetch_all(&mut *admin).await?;
    for name in names.iter().filter(|name| is_old(name)) {
        run(admin, format!("DROP DATABASE IF EXISTS {name}")).await?;
    }
    Ok(())
}

async fn remove(options: MySqlConnectOptions, name: String) -> Result<(), BoxError> {
    let mut admin = MySqlConnection::connect_with(&options).await?;
    run(&mut admin, format!("DROP DATABASE IF EXISTS {name}")).await?;
    admin.close().await?;
    Ok(())
}
