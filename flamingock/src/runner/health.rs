//! Health routes for an axum server, while changes are applied.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::watch;

use super::builder::Runner;
use super::spawn::{RunHandle, WorkState};

/// What the routes look at.
#[derive(Clone)]
struct Watched {
    state: watch::Receiver<WorkState>,
    runner: std::sync::Arc<Runner>,
}

impl RunHandle {
    /// Returns health routes for an orchestrator such as Kubernetes:
    ///
    /// | route | 200 | 503 |
    /// |---|---|---|
    /// | `/live` | while the work goes on, and once the changes of the start are applied | the changes of the start cannot be applied: a new process tries again |
    /// | `/ready` | the changes of the start are applied, whatever those in the background do | not yet, or not at all |
    /// | `/progress` | how far the changes in batches are, read from the databases | they cannot be read |
    ///
    /// Each answer is a JSON object with `state`, one of `starting_up`, `in_background`, `done`,
    /// `start_failed` and `background_failed`, and `error`, which is `null` without one. That of
    /// `/progress` has `batches`, too. Errors may have names and texts from your databases, so
    /// let only the orchestrator reach the routes.
    ///
    /// ```no_run
    /// use axum::Router;
    /// use flamingock::{MemoryStore, Runner};
    ///
    /// # async fn serve() -> std::io::Result<()> {
    /// let work = Runner::new(MemoryStore::new()).spawn();
    /// let router: Router = Router::new().nest("/health", work.health_routes());
    /// let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
    /// # let _ = (router, listener);
    /// # Ok(())
    /// # }
    /// ```
    pub fn health_routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let watched = Watched {
            state: self.state.clone(),
            runner: std::sync::Arc::new(Runner {
                settings: self.runner.settings.for_a_run(),
            }),
        };
        Router::new()
            .route("/live", get(live))
            .route("/ready", get(ready))
            .route("/progress", get(progress))
            .with_state(watched)
    }
}

async fn live(State(watched): State<Watched>) -> Response {
    let state = watched.state.borrow().clone();
    let is_alive = !matches!(state, WorkState::StartFailed(_));
    answer(&state, is_alive)
}

async fn ready(State(watched): State<Watched>) -> Response {
    let state = watched.state.borrow().clone();
    let is_ready = state.is_ready();
    answer(&state, is_ready)
}

fn answer(state: &WorkState, is_fine: bool) -> Response {
    let document = json!({ "state": state.as_str(), "error": error(state) });
    (status(is_fine), Json(document)).into_response()
}

async fn progress(State(watched): State<Watched>) -> Response {
    let state = watched.state.borrow().clone();
    match watched.runner.progress().await {
        Ok(batches) => {
            let document = json!({
                "state": state.as_str(),
                "error": error(&state),
                "batches": batches,
            });
            Json(document).into_response()
        }
        Err(error) => {
            let document = json!({ "state": state.as_str(), "error": error.to_string() });
            (status(false), Json(document)).into_response()
        }
    }
}

fn error(state: &WorkState) -> Option<&str> {
    match state {
        WorkState::StartFailed(error) | WorkState::BackgroundFailed(error) => Some(error),
        WorkState::StartingUp | WorkState::InBackground | WorkState::Done => None,
    }
}

fn status(is_fine: bool) -> StatusCode {
    match is_fine {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}
