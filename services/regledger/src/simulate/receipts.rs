//! Receipts: what was acknowledged, kept to be held against the ledger later.

use std::path::Path;

use admission::Receipt;
use anyhow::Context;
use serde::Serialize;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A receipt and what it is for.
#[derive(Debug, Serialize)]
pub struct Kept {
    /// The receipt.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// `host/provet_id`.
    pub tenant: String,
    /// What happened.
    pub step: &'static str,
}

/// A file of receipts that is being written.
pub struct Receipts {
    sender: mpsc::Sender<Kept>,
    writing: JoinHandle<std::io::Result<()>>,
}

impl Receipts {
    /// Begins a file; what it held is gone.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).await.with_context(|| format!("cannot make {}", path.display()))?;
        let (sender, receiver) = mpsc::channel(1024);
        Ok(Self { sender, writing: tokio::spawn(write(BufWriter::new(file), receiver)) })
    }

    /// Where receipts are handed in.
    pub fn sender(&self) -> mpsc::Sender<Kept> {
        self.sender.clone()
    }

    /// Waits until everything is written; every other sender must be gone.
    ///
    /// # Errors
    /// If something could not be written.
    pub async fn close(self) -> anyhow::Result<()> {
        drop(self.sender);
        self.writing.await?.context("cannot write the receipts")
    }
}

async fn write(mut file: BufWriter<File>, mut receiver: mpsc::Receiver<Kept>) -> std::io::Result<()> {
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, 256).await > 0 {
        for kept in batch.drain(..) {
            file.write_all(&serde_json::to_vec(&kept)?).await?;
            file.write_all(b"\n").await?;
        }
        file.flush().await?;
    }
    file.into_inner().sync_all().await
}
