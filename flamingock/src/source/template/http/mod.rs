//! The template `http`: a request whose answer must match the file, and a check for whether its
//! effect is present.

mod contains;
mod exchange;
mod fields;
mod json;
mod payload;
mod statuses;

use self::contains::contains;
use self::exchange::exchange;
use self::payload::{Check, Request};
use super::item::{IsPayload, Template, TemplateBody, Work, refuse_payload};
use super::payload::Payload;
use crate::change::argument::{Inputs, Outlives};
use crate::change::body::Answer;
use crate::change::problem::Location;
use crate::change::secret::Revealed;
use crate::util::boxed::BoxError;

/// `apply: { method: POST, url: "https://..", body: {..} }`, `verify: { url: "https://.." }`
pub(crate) static HTTP: Template = Template {
    name: "http",
    module_path: module_path!(),
    work: Work::Function(TemplateBody {
        name: "http",
        location: HERE,
        needs: &[],
        check: <Request as IsPayload>::check,
        call: apply,
    }),
    verify: Some(&TemplateBody {
        name: "http",
        location: HERE,
        needs: &[],
        check: <Check as IsPayload>::check,
        call: verify,
    }),
};

const HERE: Location = Location {
    file: file!(),
    line: line!(),
};

fn apply<'a>(payload: Payload<'a>, _: Inputs<'a, '_>, _: Outlives<'a, '_>) -> Answer<'a, ()> {
    match <Request as IsPayload>::read(payload) {
        Ok(request) => Box::pin(send(request, payload.revealed())),
        Err(mistake) => refuse_payload(mistake),
    }
}

fn verify<'a>(payload: Payload<'a>, _: Inputs<'a, '_>, _: Outlives<'a, '_>) -> Answer<'a, bool> {
    match <Check as IsPayload>::read(payload) {
        Ok(check) => Box::pin(holds(check, payload.revealed())),
        Err(mistake) => refuse_payload(mistake),
    }
}

/// Sends the request, unless its effect is present already.
async fn send(request: Request, revealed: Option<&Revealed>) -> Result<(), BoxError> {
    if let Some(check) = request.unless
        && holds(check, revealed).await?
    {
        return Ok(());
    }
    let answered = exchange(request.call, revealed).await?;
    match request.expect.has(answered.status()) {
        true => Ok(()),
        false => Err(answered.instead_of(&request.expect.to_string()).into()),
    }
}

/// Reports whether the effect is present. An answer that decides neither is an error.
async fn holds(check: Check, revealed: Option<&Revealed>) -> Result<bool, BoxError> {
    let answered = exchange(check.call, revealed).await?;
    if check.absent.has(answered.status()) {
        return Ok(false);
    }
    if !check.expect.has(answered.status()) {
        let words = format!(
            "{}, if it is there, nor {}, if it is not",
            check.expect, check.absent
        );
        return Err(answered.neither(&words).into());
    }
    match check.contains {
        None => Ok(true),
        Some(expected) => Ok(contains(&answered.json()?, &expected.reveal())),
    }
}
