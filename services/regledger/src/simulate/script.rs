//! What one organisation sends, notice by notice: follows from the seed and its number alone.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use fastrand::Rng;
use serde_json::json;
use url::Url;

use super::faults;

/// A message to be sent and the answers that are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose it is: `host/provet_id`.
    pub tenant: String,
    /// What happens in it, in words.
    pub step: &'static str,
    /// Where it goes.
    pub target: Target,
    /// Its media type.
    pub content_type: Option<&'static str>,
    /// Its body.
    pub body: Bytes,
    /// The statuses that are right.
    pub expected: &'static [u16],
    /// Whether the connection is cut while it is sent; then it is sent again.
    pub is_cut: bool,
}

/// How the URL of an ISL system's HTTP events ends.
pub const EVENTS: &str = "events";

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The URL that was given.
    Given,
    /// That URL with another key.
    WrongKey,
    /// The URL of an integration that does not exist.
    UnknownIntegration,
}

impl Target {
    /// The URL that this is, where the one that was given ends with the integration's name and key, and `events` if it is one of
    /// ISL; none if it does not.
    pub fn url(self, given: &Url) -> Option<Url> {
        let (from_the_end, word) = match self {
            Self::Given => return Some(given.clone()),
            Self::WrongKey => (1, "a-key-that-nobody-gave-out"),
            Self::UnknownIntegration => (2, "an-integration-that-nobody-made"),
        };
        let mut segments: Vec<&str> = given.path_segments()?.collect();
        let behind = usize::from(segments.last() == Some(&EVENTS));
        let index = segments.len().checked_sub(from_the_end + behind)?;
        *segments.get_mut(index)? = word;
        let mut url = given.clone();
        url.set_path(&segments.join("/"));
        Some(url)
    }
}

/// How much of its script an organisation plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// From the first registration to the second installation, once.
    Once,
    /// So many messages; the story begins anew as often as it takes.
    Messages(u64),
    /// Until it is stopped.
    Endless,
}

/// What happens in an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Install,
    Enable,
    Disable,
    RotateSecret,
    Redeliver,
}

/// The story that each organisation tells, with variations.
const STORY: &[Step] = &[
    Step::Install,
    Step::Enable,
    Step::Enable,
    Step::Redeliver,
    Step::Enable,
    Step::RotateSecret,
    Step::Disable,
    Step::Enable,
    Step::Disable,
    Step::Redeliver,
    Step::Install,
    Step::Enable,
    Step::Enable,
    Step::Disable,
];

/// A fault follows each so many notices.
const NOTICES_PER_FAULT: u64 = 2;

/// The hosts of Provet, most organisations being on the first.
const HOSTS: [&str; 4] = ["provetcloud.com", "provetcloud.com", "us.provetcloud.com", "enterprise.provetcloud.com"];

/// What one organisation sends.
#[derive(Clone, Debug)]
pub struct Script {
    rng: Rng,
    number: u64,
    organisation: Organisation,
    story: VecDeque<Step>,
    length: Length,
    faults: bool,
    sent: u64,
    last: Option<Message>,
}

/// An organisation as its own orchestration tool knows it.
#[derive(Clone, Debug)]
struct Organisation {
    host: &'static str,
    provet_id: u64,
    client_id: String,
    client_secret: String,
    departments: BTreeSet<u64>,
    /// Whether its notices list all departments, or say only which one was added or removed.
    lists_departments: bool,
}

impl Script {
    /// The script of organisation `number`.
    pub fn new(seed: u64, number: u32, length: Length, faults: bool) -> Self {
        let mut rng = Rng::with_seed(seed.rotate_left(32) ^ u64::from(number));
        let number = u64::from(number);
        let organisation = Organisation {
            host: HOSTS[rng.usize(..HOSTS.len())],
            // Organisations of different seeds are different ones.
            provet_id: seed % 1_000_000 * 1_000_000 + 1_000 + number,
            client_id: String::new(),
            client_secret: String::new(),
            departments: BTreeSet::new(),
            lists_departments: rng.u8(..4) > 0,
        };
        Self { rng, number, organisation, story: STORY.to_vec().into(), length, faults, sent: 0, last: None }
    }

    fn play(&mut self, step: Step) -> Message {
        let (rng, organisation) = (&mut self.rng, &mut self.organisation);
        match (step, &self.last) {
            (Step::Redeliver, Some(last)) => Message { step: "delivered again", ..last.clone() },
            (Step::Install | Step::Redeliver, _) => {
                organisation.client_id = text(rng, 20);
                organisation.client_secret = text(rng, 64);
                organisation.departments.clear();
                organisation.message("installed", rng, None)
            }
            (Step::Enable, _) => {
                let id = rng.u64(1..=40);
                organisation.departments.insert(id);
                organisation.message("department enabled", rng, Some(("added_department", id)))
            }
            (Step::Disable, _) => {
                let index = rng.usize(..organisation.departments.len().max(1));
                let id = organisation.departments.iter().nth(index).copied().unwrap_or(1);
                organisation.departments.remove(&id);
                organisation.message("department disabled", rng, Some(("removed_department", id)))
            }
            (Step::RotateSecret, _) => {
                organisation.client_secret = text(rng, 64);
                organisation.message("secret rotated", rng, None)
            }
        }
    }

    fn next_notice(&mut self) -> Option<Message> {
        if self.story.is_empty() && self.length != Length::Once {
            self.story.extend(STORY);
        }
        let step = self.story.pop_front()?;
        let message = self.play(step);
        self.last = Some(message.clone());
        if step != Step::Redeliver && self.rng.u8(..12) == 0 {
            self.story.push_front(Step::Redeliver);
        }
        Some(message)
    }

    /// A malformed or hostile variation of what the organisation would send now.
    fn next_fault(&mut self) -> Message {
        let turn = self.sent / (NOTICES_PER_FAULT + 1) + self.number;
        let valid = self.organisation.message("fault", &mut self.rng, None);
        faults::fault(turn, &valid)
    }
}

impl Iterator for Script {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        if matches!(self.length, Length::Messages(all) if all <= self.sent) {
            return None;
        }
        let fault = self.faults && self.sent % (NOTICES_PER_FAULT + 1) == NOTICES_PER_FAULT;
        let message = if fault { Some(self.next_fault()) } else { self.next_notice() };
        self.sent += 1;
        message
    }
}

/// Letters and digits; of no use for secrets that should be some.
fn text(rng: &mut Rng, length: usize) -> String {
    std::iter::repeat_with(|| rng.alphanumeric()).take(length).collect()
}

impl Organisation {
    /// A notice: full credentials every time, whatever department it is about.
    #[expect(clippy::cast_precision_loss, reason = "a few digits")]
    fn message(&self, step: &'static str, rng: &mut Rng, about: Option<(&str, u64)>) -> Message {
        let base = format!("https://{}/{}", self.host, self.provet_id);
        let mut notice = json!({
            // JSON knows one kind of number: 1234.0 is the same tenant.
            "provet_id": if rng.u8(..8) == 0 { json!(self.provet_id as f64) } else { json!(self.provet_id) },
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "algorithm": "RS256",
            "authorization_grant_type": "client_credentials",
            "client_type": "confidential",
            "redirect_uris": "https://example.com/callback",
            "token_url": format!("{base}/oauth2/token/"),
            "authorize_url": format!("{base}/oauth2/authorize/"),
            "openid_autodiscovery_url": null,
        });
        if self.lists_departments && !self.departments.is_empty() {
            notice["departments"] = json!(self.departments);
        }
        if let Some((field, id)) = about {
            notice[field] = json!(id);
        }
        Message {
            tenant: format!("{}/{}", self.host, self.provet_id),
            step,
            target: Target::Given,
            content_type: Some("application/json"),
            body: notice.to_string().into(),
            expected: &[200],
            is_cut: false,
        }
    }
}
