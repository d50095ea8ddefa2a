//! A mail server without encryption that keeps what is handed in.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A mail server; it ends when it is dropped.
pub struct Mailbox {
    /// Its port on 127.0.0.1.
    pub port: u16,
    mails: Arc<Mutex<Vec<String>>>,
    refusals: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

/// What tells a hub to hand its mails in here, at this port and in clear.
pub fn mail_server(port: &str) -> [&str; 6] {
    ["--smtp-host", "127.0.0.1", "--smtp-port", port, "--smtp-encryption", "none"]
}

impl Mailbox {
    /// A server that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mails, refusals) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let task = tokio::spawn({
            let (mails, refusals) = (mails.clone(), refusals.clone());
            async move {
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    tokio::spawn(converse(stream, mails.clone(), refusals.clone()));
                }
            }
        });
        Self { port, mails, refusals, task }
    }

    /// Refuses so many mails, for a reason that passes.
    pub fn refuse(&self, mails: usize) {
        *self.refusals.lock().unwrap() = mails;
    }

    /// How many more it refuses.
    pub fn refusals_left(&self) -> usize {
        *self.refusals.lock().unwrap()
    }

    /// Waits until so many mails have come; all of them, with their headers.
    pub async fn wait(&self, count: usize) -> Vec<String> {
        crate::eventually(&format!("{count} mails"), async || {
            let mails = self.mails.lock().unwrap().clone();
            (mails.len() >= count).then_some(mails)
        })
        .await
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(stream: TcpStream, mails: Arc<Mutex<Vec<String>>>, refusals: Arc<Mutex<usize>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mailbox\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let refused = {
            let mut left = refusals.lock().unwrap();
            let refused = *left > 0 && line.starts_with("MAIL");
            *left -= usize::from(refused);
            refused
        };
        let answer = match line.trim_end() {
            _ if refused => "451 come again",
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                let mail = data(&mut stream).await?;
                mails.lock().unwrap().push(mail);
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 yes",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}

/// A mail up to the line with a full stop; soft line breaks of quoted-printable are taken out.
async fn data(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        if line == ".\r\n" {
            return Some(mail.replace("=\r\n", "").replace("=3D", "="));
        }
        mail.push_str(&line);
    }
}
