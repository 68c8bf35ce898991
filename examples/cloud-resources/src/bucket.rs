//! A bucket, and the rule by which its files expire.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, CreateBucketConfiguration,
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use flamingock::{BoxError, change, rollback, verify};

/// The bucket for exports.
#[derive(Debug)]
pub(crate) struct Exports {
    /// Bucket names are unique in the whole cloud.
    pub(crate) bucket: String,
    /// The number of days after which a file is deleted.
    pub(crate) days: i32,
}

/// Distinguishes this application's rule from others.
const RULE: &str = "orders-exports-expire";

/// Creates the bucket for exports of orders, which are deleted after some time.
#[change(id = "exports-bucket", order = "0001", target = "aws")]
async fn exports_bucket(s3: &Client, exports: &Exports) -> Result<(), BoxError> {
    // In one region a second creation is accepted, in the others it is refused: check first.
    if !is_there(s3, exports).await? {
        create(s3, exports).await?;
    }
    let found = rules(s3, exports).await?;
    if found.iter().any(|rule| rule == RULE) {
        return Ok(());
    }
    if !found.is_empty() {
        // This rule would replace them.
        let (bucket, found) = (&exports.bucket, found.join(", "));
        return Err(format!("the bucket {bucket} has rules that are not ours: {found}").into());
    }
    let after = LifecycleExpiration::builder().days(exports.days).build();
    let rule = LifecycleRule::builder()
        .id(RULE)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(after)
        .build()?;
    let ours = BucketLifecycleConfiguration::builder()
        .rules(rule)
        .build()?;
    s3.put_bucket_lifecycle_configuration()
        .bucket(&exports.bucket)
        .lifecycle_configuration(ours)
        .send()
        .await?;
    Ok(())
}

/// A bucket with foreign rules stays, and the cloud refuses to delete one that contains files.
#[rollback(exports_bucket)]
async fn delete_exports_bucket(s3: &Client, exports: &Exports) -> Result<(), BoxError> {
    if !is_there(s3, exports).await? {
        return Ok(());
    }
    if rules(s3, exports).await?.iter().all(|rule| rule == RULE) {
        s3.delete_bucket().bucket(&exports.bucket).send().await?;
    }
    Ok(())
}

/// A bucket without the rule is incomplete: then the next run applies the change again.
#[verify(exports_bucket)]
async fn has_exports_bucket(s3: &Client, exports: &Exports) -> Result<bool, BoxError> {
    if !is_there(s3, exports).await? {
        return Ok(false);
    }
    Ok(rules(s3, exports).await?.iter().any(|rule| rule == RULE))
}

/// The ids of the rules by which the bucket's files expire.
async fn rules(s3: &Client, exports: &Exports) -> Result<Vec<String>, BoxError> {
    let asked = s3
        .get_bucket_lifecycle_configuration()
        .bucket(&exports.bucket)
        .send()
        .await;
    match asked {
        Ok(found) => {
            let ids = found.rules().iter();
            Ok(ids
                .map(|rule| rule.id().unwrap_or("without id").to_owned())
                .collect())
        }
        Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the bucket is this account's; a bucket of another account is an error.
async fn is_there(s3: &Client, exports: &Exports) -> Result<bool, BoxError> {
    match s3.head_bucket().bucket(&exports.bucket).send().await {
        Ok(_) => Ok(true),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|said| said.is_not_found()) =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

async fn create(s3: &Client, exports: &Exports) -> Result<(), BoxError> {
    // The oldest region is the only one that must not be named.
    let region = s3.config().region().map(|region| region.as_ref());
    let place = region
        .filter(|region| *region != "us-east-1")
        .map(|region| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
    s3.create_bucket()
        .bucket(&exports.bucket)
        .set_create_bucket_configuration(place)
        .send()
        .await?;
    Ok(())
}
