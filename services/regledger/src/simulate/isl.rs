//! What ISL Conference Proxy posts of one of its domains, event by event: follows from the seed and the domain's number alone.

use std::collections::VecDeque;

use fastrand::Rng;
use url::form_urlencoded;

use super::script::{Length, Message, Target};

/// What happens in a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    MakeDomain,
    DeleteDomain,
    MakeUser,
    DeleteUser,
    UndeleteUser,
    Begin,
    Join,
    Leave,
    End,
    Chat,
}

/// The story that each domain tells.
const STORY: &[Step] = &[
    Step::MakeDomain,
    Step::MakeUser,
    Step::MakeUser,
    Step::Begin,
    Step::Join,
    Step::Leave,
    Step::End,
    Step::DeleteUser,
    Step::Begin,
    Step::Join,
    Step::UndeleteUser,
    Step::End,
    Step::Chat,
    Step::MakeUser,
    Step::DeleteUser,
    Step::DeleteDomain,
    Step::MakeDomain,
    Step::MakeUser,
];

/// A fault follows each so many events.
const EVENTS_PER_FAULT: u64 = 2;

/// The first second of every story.
const BEGINNING: u64 = 1_700_000_000;

/// The fields of an event.
type Fields = Vec<(&'static str, String)>;

/// What one domain has posted about it.
#[derive(Clone, Debug)]
pub struct IslScript {
    rng: Rng,
    number: u64,
    domain_id: String,
    story: VecDeque<Step>,
    length: Length,
    faults: bool,
    sent: u64,
    users: u64,
    sessions: u64,
    last: Option<Message>,
}

impl IslScript {
    /// The script of domain `number`.
    pub fn new(seed: u64, number: u32, length: Length, faults: bool) -> Self {
        let number = u64::from(number);
        Self {
            rng: Rng::with_seed(seed.rotate_left(32) ^ number),
            number,
            // Domains of different seeds are different ones.
            domain_id: (seed % 1_000_000 * 1_000_000 + 1_000 + number).to_string(),
            story: STORY.to_vec().into(),
            length,
            faults,
            sent: 0,
            users: 0,
            sessions: 0,
            last: None,
        }
    }

    fn next_event(&mut self) -> Option<Message> {
        if self.story.is_empty() && self.length != Length::Once {
            self.story.extend(STORY);
        }
        let step = self.story.pop_front()?;
        let message = self.play(step);
        self.last = Some(message.clone());
        Some(message)
    }

    fn play(&mut self, step: Step) -> Message {
        match step {
            Step::MakeDomain => self.message("domain made", "CP", "DOMAIN CREATE", vec![]),
            Step::DeleteDomain => self.message("domain deleted", "CP", "DOMAIN DELETE", vec![]),
            Step::MakeUser => {
                self.users += 1;
                self.of_user("user made", "USER CREATE")
            }
            Step::DeleteUser => self.of_user("user deleted", "USER DELETE"),
            Step::UndeleteUser => self.of_user("user undeleted", "USER UNDELETE"),
            Step::Begin => {
                self.sessions += 1;
                self.of_session("session begun", "START")
            }
            Step::Join => self.of_session("session joined", "JOIN"),
            Step::Leave => self.of_session("session left", "LEAVE"),
            Step::End => self.of_session("session ended", "STOP"),
            Step::Chat => {
                let chat = format!("{}-{}", self.domain_id, self.rng.u64(..));
                self.message("chat", "ISL_PRONTO", "MESSAGE", vec![("CHATID", chat), ("USER_NICK", "Guest".to_owned())])
            }
        }
    }

    fn of_user(&mut self, step: &'static str, event: &str) -> Message {
        let name = format!("\\\\{}\\user{}", self.domain_id, self.users);
        let email = format!("user{}@example.com", self.users);
        self.message(step, "CP", event, vec![("CPUSER_ID", name), ("EMAIL", email)])
    }

    fn of_session(&mut self, step: &'static str, event: &str) -> Message {
        let session = format!("{}-{}", self.domain_id, self.sessions);
        self.message(step, "ISL_LIGHT", event, vec![("SESSIONID", session)])
    }

    fn message(&mut self, step: &'static str, module: &str, event: &str, more: Fields) -> Message {
        let mut fields = vec![
            ("TIMESTAMP", (BEGINNING + self.sent).to_string()),
            ("MODULE", module.to_owned()),
            ("EVENT", event.to_owned()),
            ("SERVERID", "1".to_owned()),
            ("DOMAIN_ID", self.domain_id.clone()),
        ];
        fields.extend(more);
        Message {
            tenant: self.domain_id.clone(),
            step,
            target: Target::Given,
            content_type: Some("application/x-www-form-urlencoded"),
            body: form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into(),
            expected: &[200],
            is_cut: false,
        }
    }

    /// A message that is sent again, or oddly, or that nobody can accept.
    fn next_fault(&mut self) -> Message {
        let turn = self.sent / (EVENTS_PER_FAULT + 1) + self.number;
        let (step, expected, spoil) = CASES[(turn % CASES.len() as u64) as usize];
        let mut message = self.of_session(step, "MESSAGE");
        message.expected = expected;
        spoil(&mut message, self.last.as_ref());
        message.step = step;
        message
    }
}

impl Iterator for IslScript {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        if matches!(self.length, Length::Messages(all) if all <= self.sent) {
            return None;
        }
        let fault = self.faults && self.sent % (EVENTS_PER_FAULT + 1) == EVENTS_PER_FAULT;
        let message = if fault { Some(self.next_fault()) } else { self.next_event() };
        self.sent += 1;
        message
    }
}

/// What a fault is called, the statuses that are right, and what it does to an event of a session; the event before it is known.
type Case = (&'static str, &'static [u16], fn(&mut Message, Option<&Message>));

/// Every kind of fault. What cannot be accepted is acknowledged all the same: the proxy would repeat it for ever.
const CASES: &[Case] = &[
    ("again", &[200], |message, last| {
        if let Some(last) = last {
            message.body = last.body.clone();
        }
    }),
    ("again: the connection was cut", &[200], |message, last| {
        if let Some(last) = last {
            message.body = last.body.clone();
        }
        message.is_cut = true;
    }),
    ("odd: the connection is cut", &[200], |message, _| message.is_cut = true),
    ("odd: names in another case", &[200], |message, _| {
        respell(
            message,
            &[("MODULE", "module"), ("EVENT", "Event"), ("DOMAIN_ID", "Domain_Id"), ("SESSIONID", "SessionID")],
        );
    }),
    ("odd: values in another case", &[200], |message, _| {
        respell(message, &[("ISL_LIGHT", "isl-Light"), ("=MESSAGE", "=message")])
    }),
    ("odd: no media type", &[200], |message, _| message.content_type = None),
    ("fault: no event", &[200], |message, _| respell(message, &[("EVENT", "NO_SUCH_FIELD")])),
    ("fault: not UTF-8", &[200], |message, _| respell(message, &[("=MESSAGE", "=%FF%FE")])),
    ("fault: far too large", &[200], |message, _| {
        message.body = [&message.body[..], b"&TEXT=", "x".repeat(64 * 1024).as_bytes()].concat().into();
    }),
    ("fault: wrong key", &[404, 429], |message, _| message.target = Target::WrongKey),
    ("fault: unknown integration", &[404, 429], |message, _| message.target = Target::UnknownIntegration),
];

/// Writes parts of a body otherwise.
fn respell(message: &mut Message, parts: &[(&str, &str)]) {
    let mut body = String::from_utf8_lossy(&message.body).into_owned();
    for (was, is) in parts {
        body = body.replacen(was, is, 1);
    }
    message.body = body.into();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use registration::isl::message;

    use super::*;

    fn script(number: u32, length: Length, faults: bool) -> Vec<Message> {
        IslScript::new(1, number, length, faults).collect()
    }

    proptest! {
        #[test]
        fn every_event_is_one_that_must_be_accepted_and_none_is_another(number in 0_u32..1000) {
            let mut seen = BTreeSet::new();
            for sent in script(number, Length::Messages(60), false) {
                let heard = message(&sent.body);
                prop_assert!(heard.is_ok(), "{}: {:?}", sent.step, heard.err());
                let heard = heard.unwrap();
                prop_assert_eq!(heard.domain_id.as_ref(), Some(&sent.tenant));
                prop_assert_eq!(heard.facts.len(), usize::from(sent.step.starts_with("user") || sent.step.starts_with("domain")));
                prop_assert!(seen.insert(heard.identity), "{}", sent.step);
            }
        }
    }

    #[test]
    fn every_fault_is_judged_as_it_says() {
        let mut seen = BTreeSet::new();
        for sent in script(0, Length::Messages(CASES.len() as u64 * 3), true).iter().filter(|m| m.step.contains(':')) {
            seen.insert(sent.step);
            let is_good = message(&sent.body).is_ok() && sent.body.len() <= 40 * 1024;
            let is_poison = sent.step.starts_with("fault") && sent.target == Target::Given;
            assert_eq!(is_good, !is_poison, "{}: {:?}", sent.step, message(&sent.body).err());
        }
        assert_eq!(seen.len() + 1, CASES.len(), "all but the plain repetition");
    }
}
