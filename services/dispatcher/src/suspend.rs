//! Suspensions: the hub pauses a subscription by itself, and says why in an event.

use admission::Intent;
use registration::directory::{PauseReason, SubscriptionSuspend};
use registration::event::EventType;

use crate::Office;
use crate::error::Obstacle;
use crate::route::Route;

/// Who asks for it, in the event.
const ACTOR: &str = "dispatcher";

impl Office {
    /// Appends that a subscription is paused. If somebody has changed it meanwhile the fold does nothing, and the runner is
    /// started anew; said twice it is done once.
    pub(crate) async fn suspend(&self, route: &Route, reason: PauseReason) -> Result<(), Obstacle> {
        let kind = EventType::SubscriptionSuspend;
        let intent = Intent::by_itself(kind, format!("/subscriptions/{}", route.name), ACTOR).about(&route.name);
        let data = SubscriptionSuspend { reason, revision: route.revision };
        let submitted = self.parts.admission.submit(intent, &data).await;
        submitted.map_err(|error| Obstacle::Passing(projection::explain(&error)))?;
        tracing::warn!(subscription.name = route.name, reason = reason.as_str(), "a subscription is paused");
        Ok(())
    }
}
