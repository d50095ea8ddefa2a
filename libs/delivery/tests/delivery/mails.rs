//! Mails are handed in over STARTTLS, over TLS from the first byte, and with a password; never in clear where that was asked for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use delivery::destination::{Destination, Encryption, Mail, MailSettings, Mailer, Outcome, Parcel};
use delivery::retry::Verdict;
use jiff::Timestamp;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// How the server is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    Starttls,
    Implicit,
}

struct Post {
    port: u16,
    pem: Vec<u8>,
    /// What was said, of all connections.
    said: Arc<Mutex<Vec<String>>>,
}

async fn post(manner: Manner) -> Post {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, said) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let noted = said.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, manner, acceptor.clone(), noted.clone()));
        }
    });
    Post { port, pem: cert.pem().into_bytes(), said }
}

async fn serve(stream: TcpStream, manner: Manner, acceptor: TlsAcceptor, said: Arc<Mutex<Vec<String>>>) -> Option<()> {
    match manner {
        Manner::Implicit => {
            talk(BufReader::new(acceptor.accept(stream).await.ok()?), true, false, &said).await.map(drop)
        }
        Manner::Plain => talk(BufReader::new(stream), true, false, &said).await.map(drop),
        Manner::Starttls => {
            let stream = talk(BufReader::new(stream), true, true, &said).await?;
            let stream = acceptor.accept(stream.into_inner()).await.ok()?;
            talk(BufReader::new(stream), false, false, &said).await.map(drop)
        }
    }
}

/// Talks until STARTTLS or the end of the connection.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    greets: bool,
    offers: bool,
    said: &Mutex<Vec<String>>,
) -> Option<BufReader<S>> {
    if greets {
        stream.write_all(b"220 post\r\n").await.ok()?;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        said.lock().unwrap().push(line.clone());
        let answer = match line.as_str() {
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await.ok()?;
                return Some(stream);
            }
            line if line.starts_with("EHLO") && offers => "250-post\r\n250 STARTTLS",
            line if line.starts_with("EHLO") => "250-post\r\n250 AUTH PLAIN",
            line if line.starts_with("AUTH") => "235 welcome",
            "DATA" => "354 go on",
            "." => "250 taken",
            line if line.starts_with("MAIL FROM:<refused@") => "550 no such sender",
            "RCPT TO:<office@example.com>" | "QUIT" => "250 yes",
            line if line.starts_with("MAIL") => "250 yes",
            _ => continue,
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}

async fn handed_in(post: &Post, encryption: Encryption, from: &str, trusts: bool) -> Outcome {
    let mailer = Mailer::new(MailSettings {
        host: "localhost".to_owned(),
        port: post.port,
        encryption,
        credentials: Some(("hub".to_owned(), "canary".into())),
        from: from.to_owned(),
        roots: trusts.then(|| post.pem.clone()),
        deadline: Duration::from_secs(5),
    });
    let links = Arc::new(|_: &str, _: &str, _: Timestamp| Some("https://hub.example.com/notices/x".to_owned()));
    let mail = Mail::new(mailer.unwrap(), &"office@example.com".into(), links).unwrap();
    let body = json!({
        "id": "l-0-1-0", "subject": "provetcloud.com/1", "recordedtime": "2026-11-23T08:00:00Z",
        "data": {"client": {"id": "c1", "integration": "acme-lab", "state": "active", "departments": [3], "has_secret": true}},
    });
    let (id, kind) = ("l-0-1-0".to_owned(), "client.registered".to_owned());
    mail.attempt(&Parcel { id, kind, body: Bytes::from(body.to_string()) }, Timestamp::UNIX_EPOCH).await
}

#[tokio::test]
async fn a_mail_is_handed_in_as_it_was_asked_for_or_not_at_all() {
    let cases = [
        (Manner::Plain, Encryption::None, true, Verdict::Done),
        (Manner::Starttls, Encryption::Starttls, true, Verdict::Done),
        (Manner::Implicit, Encryption::Implicit, true, Verdict::Done),
        (Manner::Plain, Encryption::Starttls, true, Verdict::Retry),
        (Manner::Plain, Encryption::Implicit, true, Verdict::Retry),
        (Manner::Starttls, Encryption::Starttls, false, Verdict::Retry),
        (Manner::Implicit, Encryption::Implicit, false, Verdict::Retry),
    ];
    for (index, (manner, encryption, trusts, verdict)) in cases.into_iter().enumerate() {
        let post = post(manner).await;
        let outcome = handed_in(&post, encryption, "hub@example.com", trusts).await;
        assert_eq!(outcome.verdict, verdict, "case {index}: {outcome:?}");
        let said = post.said.lock().unwrap().join("\n");
        assert_eq!(
            said.contains("https://hub.example.com/notices/x"),
            verdict == Verdict::Done,
            "case {index}: {said}"
        );
        assert!(verdict == Verdict::Done || !said.contains("AUTH"), "case {index}: no password is sent");
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_told_by_its_code_alone() {
    let post = post(Manner::Plain).await;
    let outcome = handed_in(&post, Encryption::None, "refused@example.com", true).await;
    assert_eq!(outcome, Outcome::unsent("the mail server answered 550".to_owned()));
}
