//! Where a path of the site really leads: past links, and past spellings that only a file system takes
//! for the same (case, Unicode forms, 8.3 names).
//!
//! The gate decides about a path as text. Whatever that text opens is judged here once more, by its real
//! path and by the identity of the folders it lies in.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use shared::site_path::{ProtectedPaths, SitePath};

/// What a file system says of paths.
pub(crate) trait FileSystem: Send + Sync {
    /// The path without links. An error where there is nothing.
    fn real(&self, path: &Path) -> io::Result<PathBuf>;
    /// Whether both lead to one file or folder.
    fn is_same(&self, a: &Path, b: &Path) -> bool;
}

/// The machine's own.
pub(crate) struct Machine;

impl FileSystem for Machine {
    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    /// By device and inode. Nothing is opened: closing a database that SQLite has open would drop its
    /// locks (<https://sqlite.org/howtocorrupt.html>, 2.2).
    #[cfg(unix)]
    fn is_same(&self, a: &Path, b: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        match (fs::metadata(a), fs::metadata(b)) {
            (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
            _ => false,
        }
    }

    #[cfg(not(unix))]
    fn is_same(&self, a: &Path, b: &Path) -> bool {
        match (fs::canonicalize(a), fs::canonicalize(b)) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        }
    }
}

/// What a path of the site leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file or folder that is served, as the gate has to see it: the path that was asked for, or the
    /// protected one that it really is.
    Served(SitePath),
    /// Nothing that is served, and why.
    Nowhere(&'static str),
}

/// There is no such file.
pub(crate) const MISSING: &str = "no address leads to it";
const OUTSIDE: &str = "it lies outside the site's folder";
const PRIVATE: &str = "it is lastseen's own";
const HIDDEN: &str = "its name says that it is not for others";

/// The folder that holds the site, and what in it is nobody's to see.
#[derive(Clone)]
pub(crate) struct Folder {
    root: PathBuf,
    private: Arc<[PathBuf]>,
    system: Arc<dyn FileSystem>,
}

impl Folder {
    /// `private` are the files of `serve`, which need not be there yet.
    ///
    /// # Errors
    /// A line that names both settings where one of those lies within the folder, by its real path.
    pub(crate) fn open(folder: &Path, private: Vec<PathBuf>) -> Result<Self, String> {
        Self::open_in(Arc::new(Machine), folder, private)
    }

    fn open_in(
        system: Arc<dyn FileSystem>,
        folder: &Path,
        private: Vec<PathBuf>,
    ) -> Result<Self, String> {
        let root = system
            .real(folder)
            .map_err(|error| format!("STATIC_DIR: cannot read {}: {error}", folder.display()))?;
        let inside = private.iter().find(|file| {
            let real = real_even_if_missing(system.as_ref(), file);
            let mut folders = real.ancestors().skip(1);
            folders.any(|folder| system.is_same(folder, &root))
        });
        if let Some(file) = inside {
            return Err(format!(
                "DATABASE_PATH: {} would lie in STATIC_DIR {}, where everybody could fetch the visits, the keys and the owner's token; set DATABASE_PATH to a file outside that folder, or STATIC_DIR to one that holds the site alone",
                file.display(),
                folder.display()
            ));
        }
        Ok(Self {
            root,
            private: private.into(),
            system,
        })
    }

    /// Without links.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Reads the file system: for a thread that may block.
    pub(crate) fn place(&self, protected: &ProtectedPaths, path: &SitePath) -> Place {
        if is_hidden(path.as_str()) {
            return Place::Nowhere(HIDDEN);
        }
        let asked = self.root.join(path.as_str().trim_start_matches('/'));
        // What opens a folder opens its index; what is asked for as a folder may be a file.
        let mut places = [asked.join("index.html"), asked]
            .into_iter()
            .filter_map(|place| self.system.real(&place).ok())
            .peekable();
        if places.peek().is_none() {
            return Place::Nowhere(MISSING);
        }
        let mut seen_as = path.clone();
        for real in places {
            match self.judge(protected, &real) {
                Ok(Some(closed)) if !protected.contain(&seen_as) => seen_as = closed,
                Ok(_) => {}
                Err(why) => return Place::Nowhere(why),
            }
        }
        Place::Served(seen_as)
    }

    /// The protected path that a real path is, if it is one.
    ///
    /// # Errors
    /// Why it is not served.
    fn judge(
        &self,
        protected: &ProtectedPaths,
        real: &Path,
    ) -> Result<Option<SitePath>, &'static str> {
        let is_private = |file: &PathBuf| self.system.is_same(file, real);
        if self.private.iter().any(is_private) {
            return Err(PRIVATE);
        }
        let within = real.strip_prefix(&self.root).map_err(|_| OUTSIDE)?;
        // A name that is no text has no address, and no prefix says what it is.
        let name = url_path(within).ok_or(MISSING)?;
        if is_hidden(&name) {
            return Err(HIDDEN);
        }
        let path = SitePath::of_file(&name).ok_or(MISSING)?;
        if protected.contain(&path) {
            return Ok(Some(path));
        }
        Ok(protected.prefixes().find_map(|prefix| {
            let folder = self.root.join(prefix.trim_start_matches('/'));
            let place = real
                .ancestors()
                .take_while(|place| place.starts_with(&self.root))
                .find(|place| self.system.is_same(place, &folder))?;
            let rest = url_path(real.strip_prefix(place).ok()?)?;
            let closed = format!("{prefix}/{rest}");
            SitePath::of_file(closed.trim_matches('/')).filter(|path| protected.contain(path))
        }))
    }

    /// Whether anything lies below a prefix, by the loosest reading any file system has.
    pub(crate) fn has(&self, prefix: &str) -> bool {
        let names = prefix.split('/').filter(|name| !name.is_empty());
        let mut places = vec![self.root.clone()];
        for name in names {
            places = places.iter().flat_map(|place| named(place, name)).collect();
        }
        places.iter().any(|place| holds_a_file(place, 0))
    }
}

/// So many folders deep a prefix is searched for a file: links can lead round in circles.
const DEEPEST: usize = 32;

fn holds_a_file(place: &Path, depth: usize) -> bool {
    if !place.is_dir() {
        return place.is_file();
    }
    depth < DEEPEST
        && fs::read_dir(place).is_ok_and(|entries| {
            let mut entries = entries.flatten();
            entries.any(|entry| holds_a_file(&entry.path(), depth + 1))
        })
}

/// What in a folder goes by a name, as [`ProtectedPaths`] reads names.
fn named(folder: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            let found = entry.file_name();
            found
                .to_str()
                .is_some_and(|found| SitePath::is_same_name(found, name))
        })
        .map(|entry| entry.path())
        .collect()
}

/// The real path of what may not be there yet. What is not there is no link, so that `..` leads back from
/// it to where it is named.
fn real_even_if_missing(system: &dyn FileSystem, path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut real = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(real.pop()),
            component => real.push(component),
        }
        if let Ok(found) = system.real(&real) {
            real = found;
        }
    }
    real
}

/// Files such as `.git/config`, `.env` and `lastseen.env` lie in many a site's folder and belong to nobody
/// outside.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|name| {
        let is_dotfile = name.starts_with('.') && name != ".well-known";
        is_dotfile || name.to_ascii_lowercase().ends_with(".env")
    })
}

/// Its names with `/` between them; `None` where one is no text.
fn url_path(path: &Path) -> Option<String> {
    let names = path.components().map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    Some(names.collect::<Option<Vec<_>>>()?.join("/"))
}

#[cfg(test)]
mod tests;
