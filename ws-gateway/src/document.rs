//! What is served often: hashed and compressed once.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// Bytes of a hash that make two documents differ for certain.
const HASH_BYTES: usize = 16;

/// A text, ready to be served. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Document {
    /// As it is.
    pub plain: Bytes,
    /// The same, compressed; `None` where that is not smaller.
    pub gzip: Option<Bytes>,
    /// Names the text: the same on all gateways.
    pub hash: String,
}

impl Document {
    /// Takes tens of milliseconds for megabytes: not for a thread that serves sockets then.
    pub fn new(plain: Bytes) -> Self {
        let hash: String =
            Sha256::digest(&plain).iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let gzip = gzip(&plain).ok().filter(|gzip| gzip.len() < plain.len());
        Self { plain, gzip, hash }
    }
}

fn gzip(plain: &[u8]) -> io::Result<Bytes> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(plain)?;
    Ok(gzip.finish()?.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_document_is_compressed_where_that_helps() {
        let text = "one seat, ".repeat(100);
        let document = Document::new(text.clone().into());
        let gzip = document.gzip.unwrap();
        assert!(gzip.len() * 5 < text.len());
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&*gzip).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        let small = Document::new("one seat".into());
        assert_eq!(small.gzip, None);
        assert_eq!((document.hash.len(), small.hash.len()), (32, 32));
        assert_ne!(document.hash, small.hash);
    }
}
