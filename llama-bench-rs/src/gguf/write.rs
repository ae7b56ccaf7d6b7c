//! A synthetic model as a file.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use super::{GgufError, layout::Layout, stream::StreamReader};

/// Bytes between two looks at whether to stop.
const PIECE_BYTES: u64 = 1 << 20;

/// Writes a file under a temporary name in the same folder until it is whole. Folders are made as needed.
pub(super) fn file(
    path: &Path,
    fill: impl FnOnce(&mut fs::File) -> Result<(), GgufError>,
) -> Result<(), GgufError> {
    let failed = |doing| move |source| GgufError::Io { path: path.to_owned(), doing, source };
    let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
    // Removed when it is dropped, whatever happens.
    let mut file = tempfile::Builder::new()
        .prefix(".synthetic-")
        .suffix(".tmp")
        .tempfile_in(folder)
        .map_err(failed("write"))?;
    fill(file.as_file_mut())?;
    file.as_file().sync_data().map_err(failed("write"))?;
    readable(file.as_file()).map_err(failed("write"))?;
    file.persist(path).map_err(|e| failed("rename the finished file to")(e.error))?;
    Ok(())
}

/// Copies the whole stream, reporting to `progress` the bytes done and in all, until `stop` says true.
pub(super) fn copy(
    mut from: StreamReader,
    out: impl Write,
    path: &Path,
    progress: impl Fn(u64, u64),
    stop: impl Fn() -> bool,
) -> Result<(), GgufError> {
    let mut out = Counted { out, written: 0, path, total: from.size_bytes() };
    loop {
        if stop() {
            return Err(GgufError::Stopped { path: path.to_owned() });
        }
        let failed = |source| GgufError::Io { path: path.to_owned(), doing: "generate", source };
        let bytes = from.some(PIECE_BYTES).map_err(failed)?;
        let n = bytes.len();
        if n == 0 {
            return Ok(());
        }
        out.put(bytes)?;
        from.seek(SeekFrom::Current(n as i64)).map_err(failed)?;
        progress(out.written, out.total);
    }
}

/// Only their owner can read temporary files; a model gets the permissions of any other file.
fn readable(file: &fs::File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    let _ = file;
    Ok(())
}

/// The file is there, whole, and begins with the very header: then it was written by the same request.
pub(super) fn is_written(path: &Path, layout: &Layout) -> bool {
    let read = || -> io::Result<bool> {
        let mut file = fs::File::open(path)?;
        let mut begin = vec![0; layout.header.len()];
        file.read_exact(&mut begin)?;
        Ok(file.metadata()?.len() == layout.size_bytes && begin == layout.header)
    };
    read().unwrap_or(false)
}

/// Counts what is written, and recognises a full disk.
struct Counted<'a, W> {
    out: W,
    written: u64,
    path: &'a Path,
    total: u64,
}

impl<W: Write> Counted<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), GgufError> {
        self.out.write_all(bytes).map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                GgufError::DiskFull { path: self.path.to_owned(), needed: self.total, written: self.written }
            }
            _ => GgufError::Io { path: self.path.to_owned(), doing: "write", source },
        })?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
