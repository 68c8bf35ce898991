//! Finding the changes in Rust files that may not be compiled yet: the keys of their attributes.

use crate::change::names::DEFAULT;

/// The keys of one `#[change(..)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) id: String,
    pub(super) order: String,
    pub(super) stage: String,
}

/// Returns the changes that a file declares by attributes with an id and an order.
pub(super) fn read(text: &str) -> Vec<Attribute> {
    let starts = ["#[change(", "#[flamingock::change("];
    let mut found = Vec::new();
    for start in starts {
        for rest in text.split(start).skip(1) {
            let body = rest.split(")]").next().unwrap_or_default();
            if let (Some(id), Some(order)) = (value(body, "id"), value(body, "order")) {
                found.push(Attribute {
                    id: id.to_owned(),
                    order: order.to_owned(),
                    stage: value(body, "stage").unwrap_or(DEFAULT).to_owned(),
                });
            }
        }
    }
    found
}

/// Returns the text after `key = `. Escapes in it are not interpreted: ids and orders have none.
fn value<'a>(body: &'a str, key: &str) -> Option<&'a str> {
    body.match_indices(key).find_map(|(at, _)| {
        let before = body[..at].chars().next_back();
        let is_key = before.is_none_or(|one| one == ',' || one.is_whitespace());
        let rest = body[at + key.len()..].trim_start().strip_prefix('=')?;
        let rest = rest.trim_start().strip_prefix('"')?;
        rest.split('"').next().filter(|_| is_key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_on_one_line_and_on_several() {
        let text = r#"
            #[change(id = "create-orders", order = "0001")]
            async fn create_orders() {}

            #[flamingock::change(
                id = "orders-view",
                tags = ["order"],
                order = "0002",
                stage = "views",
            )]
            async fn orders_view() {}

            #[change(order = "0003")]
            async fn without_an_id() {}
        "#;
        let change = |id: &str, order: &str, stage: &str| Attribute {
            id: id.to_owned(),
            order: order.to_owned(),
            stage: stage.to_owned(),
        };
        let expected = [
            change("create-orders", "0001", "default"),
            change("orders-view", "0002", "views"),
        ];
        assert_eq!(read(text), expected);
    }
}
