//! What one organisation sends, notice by notice: follows from the seed and its number alone.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::faults;
use super::random::Random;

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
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The hookup URL.
    Hookup,
    /// The hookup URL with another key.
    WrongKey,
    /// The URL of an integration that does not exist.
    UnknownIntegration,
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
    random: Random,
    number: u64,
    organisation: Organisation,
    story: VecDeque<Step>,
    remaining: Option<u64>,
    repeats: bool,
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

/// A notice, in the order of the source's schema.
#[derive(Serialize)]
struct Notice<'a> {
    provet_id: &'a RawValue,
    client_id: &'a str,
    client_secret: &'a str,
    algorithm: &'a str,
    authorization_grant_type: &'a str,
    client_type: &'a str,
    redirect_uris: &'a str,
    token_url: String,
    authorize_url: String,
    openid_autodiscovery_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    departments: Option<&'a BTreeSet<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added_department: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_department: Option<u64>,
}

/// Which department a notice is about.
#[derive(Clone, Copy)]
enum About {
    Nothing,
    Added(u64),
    Removed(u64),
}

impl Script {
    /// The script of organisation `number`.
    pub fn new(seed: u64, number: u32, length: Length, faults: bool) -> Self {
        let number = u64::from(number);
        let mut random = Random::new(seed, number);
        let organisation = Organisation {
            host: HOSTS[random.below(HOSTS.len() as u64) as usize],
            // Organisations of different seeds are different ones.
            provet_id: seed % 1_000_000 * 1_000_000 + 1_000 + number,
            client_id: String::new(),
            client_secret: String::new(),
            departments: BTreeSet::new(),
            lists_departments: !random.once_in(4),
        };
        let remaining = match length {
            Length::Messages(messages) => Some(messages),
            Length::Once | Length::Endless => None,
        };
        let (story, repeats) = (STORY.iter().copied().collect(), length != Length::Once);
        Self { random, number, organisation, story, remaining, repeats, faults, sent: 0, last: None }
    }

    fn play(&mut self, step: Step) -> Message {
        let random = &mut self.random;
        let organisation = &mut self.organisation;
        match (step, &self.last) {
            (Step::Redeliver, Some(last)) => Message { step: "delivered again", ..last.clone() },
            (Step::Install | Step::Redeliver, _) => {
                organisation.client_id = random.text(20);
                organisation.client_secret = random.text(64);
                organisation.departments.clear();
                organisation.message("installed", random, About::Nothing)
            }
            (Step::Enable, _) => {
                let id = 1 + random.below(40);
                organisation.departments.insert(id);
                organisation.message("department enabled", random, About::Added(id))
            }
            (Step::Disable, _) => {
                let enabled = organisation.departments.len().max(1) as u64;
                let index = random.below(enabled) as usize;
                let id = organisation.departments.iter().nth(index).copied().unwrap_or(1);
                organisation.departments.remove(&id);
                organisation.message("department disabled", random, About::Removed(id))
            }
            (Step::RotateSecret, _) => {
                organisation.client_secret = random.text(64);
                organisation.message("secret rotated", random, About::Nothing)
            }
        }
    }

    fn next_notice(&mut self) -> Option<Message> {
        if self.story.is_empty() && self.repeats {
            self.story.extend(STORY);
        }
        let step = self.story.pop_front()?;
        let message = self.play(step);
        self.last = Some(message.clone());
        if step != Step::Redeliver && self.random.once_in(12) {
            self.story.push_front(Step::Redeliver);
        }
        Some(message)
    }

    /// A malformed or hostile variation of what the organisation would send now.
    fn next_fault(&mut self) -> Message {
        let turn = self.sent / (NOTICES_PER_FAULT + 1) + self.number;
        let valid = self.organisation.message("fault", &mut self.random, About::Nothing);
        faults::fault(turn, &valid)
    }
}

impl Iterator for Script {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.checked_sub(1)?;
        }
        let fault = self.faults && self.sent % (NOTICES_PER_FAULT + 1) == NOTICES_PER_FAULT;
        let message = if fault { Some(self.next_fault()) } else { self.next_notice() };
        self.sent += 1;
        message
    }
}

impl Organisation {
    /// A notice: full credentials every time, whatever it is about.
    fn message(&self, step: &'static str, random: &mut Random, about: About) -> Message {
        let number = if random.once_in(8) { format!("{}.0", self.provet_id) } else { self.provet_id.to_string() };
        // A number of digits is JSON.
        let provet_id = RawValue::from_string(number).unwrap_or_else(|_| RawValue::NULL.to_owned());
        let base = format!("https://{}/{}", self.host, self.provet_id);
        let (added_department, removed_department) = match about {
            About::Nothing => (None, None),
            About::Added(id) => (Some(id), None),
            About::Removed(id) => (None, Some(id)),
        };
        let notice = Notice {
            provet_id: &provet_id,
            client_id: &self.client_id,
            client_secret: &self.client_secret,
            algorithm: "RS256",
            authorization_grant_type: "client_credentials",
            client_type: "confidential",
            redirect_uris: "https://example.com/callback",
            token_url: format!("{base}/oauth2/token/"),
            authorize_url: format!("{base}/oauth2/authorize/"),
            openid_autodiscovery_url: None,
            departments: Some(&self.departments).filter(|all| self.lists_departments && !all.is_empty()),
            added_department,
            removed_department,
        };
        Message {
            tenant: format!("{}/{}", self.host, self.provet_id),
            step,
            target: Target::Hookup,
            content_type: Some("application/json"),
            body: serde_json::to_vec(&notice).unwrap_or_default().into(),
            expected: &[200],
        }
    }
}
