//! A queue.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use flamingock::{BoxError, change, rollback, verify};

type Attributes = HashMap<QueueAttributeName, String>;

const QUEUE: &str = "orders-to-export";

/// The attributes of the queue: orders wait for four days at most, and an exporter has two minutes.
const SHAPE: [(QueueAttributeName, &str); 2] = [
    (QueueAttributeName::MessageRetentionPeriod, "345600"),
    (QueueAttributeName::VisibilityTimeout, "120"),
];

/// Creates the queue of orders that wait for their export.
///
/// The cloud checks the name: an equal queue is left unchanged, and another one with this name is
/// refused.
#[change(id = "exports-queue", order = "0002", target = "aws")]
async fn exports_queue(sqs: &Client) -> Result<(), BoxError> {
    let shape = SHAPE.map(|(name, value)| (name, value.to_owned()));
    sqs.create_queue()
        .queue_name(QUEUE)
        .set_attributes(Some(shape.into()))
        .send()
        .await?;
    Ok(())
}

/// A queue with other attributes is not this application's and stays; and because a queue is
/// deleted with its messages, one that is not empty stays, too.
#[rollback(exports_queue)]
async fn delete_exports_queue(sqs: &Client) -> Result<(), BoxError> {
    let Some(url) = find(sqs).await? else {
        return Ok(());
    };
    let found = attributes(sqs, &url).await?;
    if !is_ours(&found) {
        return Ok(());
    }
    let waiting = found.get(&QueueAttributeName::ApproximateNumberOfMessages);
    match waiting.map(String::as_str) {
        Some("0") => {
            sqs.delete_queue().queue_url(url).send().await?;
            Ok(())
        }
        count => Err(format!("{} orders wait in {QUEUE}", count.unwrap_or("some")).into()),
    }
}

#[verify(exports_queue)]
async fn has_exports_queue(sqs: &Client) -> Result<bool, BoxError> {
    match find(sqs).await? {
        Some(url) => Ok(is_ours(&attributes(sqs, &url).await?)),
        None => Ok(false),
    }
}

fn is_ours(found: &Attributes) -> bool {
    SHAPE
        .iter()
        .all(|(name, value)| found.get(name).is_some_and(|found| found == value))
}

async fn attributes(sqs: &Client, url: &str) -> Result<Attributes, BoxError> {
    let asked = sqs
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await?;
    Ok(asked.attributes.unwrap_or_default())
}

/// The queue's URL.
async fn find(sqs: &Client) -> Result<Option<String>, BoxError> {
    match sqs.get_queue_url().queue_name(QUEUE).send().await {
        Ok(found) => Ok(found.queue_url().map(str::to_owned)),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|said| said.is_queue_does_not_exist()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
