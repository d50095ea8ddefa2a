//! What stands between producers and a broker, and loses answers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The number of a request to write records (Kafka protocol, API keys).
const PRODUCE: [u8; 2] = [0, 0];

/// Between the size of a request and its version.
const API_KEY: std::ops::Range<usize> = 4..6;

/// A proxy for connections without TLS, which the broker gives out as its own address.
pub struct Deaf {
    address: String,
    broker: watch::Sender<Option<String>>,
    loses: watch::Sender<bool>,
}

impl Deaf {
    /// Listens; nothing is carried until it is known where the broker is.
    pub async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (broker, loses) = (watch::Sender::new(None), watch::Sender::new(false));
        let (mut known, lost) = (broker.subscribe(), loses.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let broker: String = known.wait_for(Option::is_some).await.unwrap().clone().unwrap();
                if let Ok(server) = TcpStream::connect(&broker).await {
                    tokio::spawn(carry(client, server, lost.clone()));
                }
            }
        });
        Self { address, broker, loses }
    }

    /// `host:port` of the proxy.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Carries to the broker at `host:port`.
    pub fn carry_to(&self, broker: String) {
        self.broker.send_replace(Some(broker));
    }

    /// From now on, requests to write reach the broker, and nothing comes back on their connection.
    pub fn lose_answers_of_writes(&self) {
        self.loses.send_replace(true);
    }

    /// Loses nothing any more.
    pub fn hear(&self) {
        self.loses.send_replace(false);
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, loses: watch::Receiver<bool>) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut is_deaf = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read?];
                is_deaf |= *loses.borrow() && bytes.get(API_KEY).is_some_and(|key| key == PRODUCE);
                if bytes.is_empty() {
                    return Ok(());
                }
                server.write_all(bytes).await?;
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if !is_deaf {
                    client.write_all(bytes).await?;
                }
            }
        }
    }
}
