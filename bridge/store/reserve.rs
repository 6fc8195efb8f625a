//! Room set aside on the disk, so that sending goes on when others have filled it to its last byte.
//!
//! A file of a fixed size in the data directory. When a commit of the forwarder finds no room, the file is removed and
//! the commit made again; input and translation wait until there is room for the file once more. On file systems
//! that share or compress blocks (btrfs, ZFS) the room is not sure; there the hard limit is all there is.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes set aside: the write-ahead logs between two checkpoints (4 MiB each) and what some ten thousand settled
/// deliveries add to the state.
pub const RESERVE_BYTES: u64 = 16 << 20;

/// With less than this at a start, the reserve is used for the start itself.
const START_BYTES: u64 = 1 << 20;

/// The reserve of a data directory. Whether it is there is asked of the disk: another process may have used it.
#[derive(Clone, Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// Not where the hard limit is 0: then nothing is to be kept free.
    wanted: bool,
}

impl Reserve {
    pub fn new(data_dir: &Path, hard_free: u64) -> Self {
        Self { path: data_dir.join("reserve"), wanted: hard_free > 0 }
    }

    /// Bytes that are to be set aside and are not.
    pub fn lacks(&self) -> u64 {
        let there = std::fs::metadata(&self.path).is_ok_and(|file| file.len() == RESERVE_BYTES);
        if self.wanted && !there { RESERVE_BYTES } else { 0 }
    }

    /// Sets the room aside where it is not and there is enough of it; whether it is set aside now.
    pub fn make(&self, free_bytes: u64, hard_free: u64) -> bool {
        if self.lacks() == 0 {
            return true;
        }
        if free_bytes < hard_free.saturating_add(RESERVE_BYTES) {
            return false;
        }
        let made = self.write();
        if made.is_err() {
            // Half of it would only be in the way.
            let _ = std::fs::remove_file(&self.path);
        }
        made.is_ok()
    }

    fn write(&self) -> std::io::Result<()> {
        let mut file = std::fs::File::options();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_BYTES).is_err() {
            let zeros = vec![0; 1 << 20];
            for _ in 0..RESERVE_BYTES >> 20 {
                file.write_all(&zeros)?;
            }
        }
        file.sync_all()
    }

    /// Gives the room up for what must be written now; whether it is worth trying again.
    pub fn give_up(&self) -> bool {
        if self.wanted && std::fs::remove_file(&self.path).is_ok() {
            tracing::warn!(
                "The disk is full to its last byte: what was set aside is used, so that sending goes on."
            );
        }
        self.wanted
    }

    /// Gives the room up where a start would fail for want of it.
    pub fn for_start(&self, free_bytes: u64) {
        if free_bytes < START_BYTES {
            self.give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RESERVE_BYTES, Reserve};

    #[test]
    fn room_is_set_aside_once_there_is_enough_and_given_up_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(dir.path(), 1);
        assert_eq!(reserve.lacks(), RESERVE_BYTES);
        assert!(!reserve.make(RESERVE_BYTES, 1));
        assert!(reserve.make(RESERVE_BYTES + 1, 1));
        assert_eq!(reserve.lacks(), 0);
        let file = std::fs::metadata(dir.path().join("reserve")).unwrap();
        assert!(std::os::unix::fs::MetadataExt::blocks(&file) * 512 >= RESERVE_BYTES, "not a sparse file");
        reserve.for_start(2 << 20);
        assert_eq!(reserve.lacks(), 0);
        assert!(reserve.give_up());
        assert_eq!(reserve.lacks(), RESERVE_BYTES);
        assert!(!Reserve::new(dir.path(), 0).give_up());
        assert_eq!(Reserve::new(dir.path(), 0).lacks(), 0);
    }
}
