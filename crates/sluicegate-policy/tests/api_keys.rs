//! API keys: what verifies, what a file of keys may say, and how an edit leaves the file.
#![expect(clippy::unwrap_used, reason = "a test that cannot write its input stops there")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use sluicegate_policy::{ApiKeys, KeyFile, Policy, Source, UtcTime};
use tempfile::TempDir;

#[test]
fn a_key_verifies_and_says_whose_it_is() {
    let (_folder, path) = folder();
    let secret = KeyFile::at(&path).add("acme", Some("premium"), NOON).unwrap();
    let keys = ApiKeys::load(&path).unwrap();
    let key = keys.verify(secret.as_str()).unwrap();
    assert_eq!(key.id, secret.id());
    assert_eq!(key.tenant, "acme");
    assert_eq!(key.tier.as_deref(), Some("premium"));
    assert_eq!((key.created, key.revoked), (NOON, None));
}

#[test]
fn a_key_that_differs_in_one_character_verifies_nowhere() {
    let (_folder, path) = folder();
    let secret = KeyFile::at(&path).add("acme", None, NOON).unwrap();
    let keys = ApiKeys::load(&path).unwrap();
    for at in 0..secret.as_str().len() {
        let mut wrong = secret.as_str().as_bytes().to_vec();
        wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
        assert!(keys.verify(std::str::from_utf8(&wrong).unwrap()).is_none(), "character {at}");
    }
}

#[test]
fn what_has_not_the_shape_of_a_key_is_unknown() {
    let (_folder, path) = folder();
    let secret = KeyFile::at(&path).add("acme", None, NOON).unwrap();
    let keys = ApiKeys::load(&path).unwrap();
    let key = secret.as_str();
    let longer = format!("{key}x");
    let wide = format!("sg_{}é_{}", &key[3..10], &key[12..]);
    for presented in ["", "sg_", "sg_________", &key[..54], &longer, &wide, &key[3..], "Bearer", "sg_é"] {
        assert!(keys.verify(presented).is_none(), "{presented}");
    }
}

#[test]
fn a_revoked_key_is_an_unknown_key() {
    let (_folder, path) = folder();
    let file = KeyFile::at(&path);
    let (kept, revoked) = (file.add("a", None, NOON).unwrap(), file.add("b", None, NOON).unwrap());
    let later = UtcTime::from_unix(NOON.unix() + 60);
    assert_eq!(file.revoke(revoked.id(), later).unwrap().revoked, Some(later));
    let keys = ApiKeys::load(&path).unwrap();
    assert!(keys.verify(revoked.as_str()).is_none());
    assert!(keys.verify(kept.as_str()).is_some());
    assert_eq!(keys.of(revoked.id()).unwrap().revoked, Some(later));
}

#[test]
fn the_file_holds_no_secret_and_a_log_shows_none() {
    let (_folder, path) = folder();
    let secret = KeyFile::at(&path).add("acme", None, NOON).unwrap();
    let hidden = &secret.as_str()[12..];
    assert!(!fs::read_to_string(&path).unwrap().contains(hidden));
    assert!(!format!("{secret:?}").contains(hidden));
    let logged = format!("{:?}", ApiKeys::load(&path).unwrap());
    assert!(!logged.contains(hidden) && !logged.contains("hash: Hash"));
}

#[test]
fn an_edit_changes_its_own_lines_alone() {
    let (_folder, path) = folder();
    let hash = "0".repeat(64);
    let before = format!(
        "# ours\r\n[[key]] # first\r\nid = \"aaaaaaaa\" # old\r\ncreated = 2026-01-01T00:00:00+01:00\r\n\
         tenant = \"x\"\r\nsha256 = \"{hash}\"\r\n\n\n[[key]]\nid='bbbbbbbb'\nsha256 = '{hash}'\ntenant = 'y' # last\n\
         created = 2026-01-01T00:00:00Z"
    );
    fs::write(&path, &before).unwrap();
    let file = KeyFile::at(&path);

    file.add("z \"quoted\" \\", Some("gold"), NOON).unwrap();
    let added = fs::read_to_string(&path).unwrap();
    assert!(added.starts_with(&before));
    assert_eq!(file.list().unwrap()[2].tenant, "z \"quoted\" \\");

    file.revoke("aaaaaaaa", NOON).unwrap();
    let revoked = fs::read_to_string(&path).unwrap();
    let line = format!("revoked = {NOON}\n");
    assert_eq!(revoked.replacen(&line, "", 1).replace('\r', ""), added.replace('\r', ""));
    let ids: Vec<_> = file.list().unwrap().iter().map(|key| key.revoked.is_some()).collect();
    assert_eq!(ids, [true, false, false]);
}

#[test]
fn a_file_of_another_shape_is_left_alone_and_the_error_says_what_to_write() {
    let (_folder, path) = folder();
    let inline = format!(
        "key = [{{ id = \"aaaaaaaa\", sha256 = \"{}\", tenant = \"x\", created = 2026-01-01T00:00:00Z }}]",
        "0".repeat(64)
    );
    fs::write(&path, &inline).unwrap();
    let file = KeyFile::at(&path);
    assert!(file.add("y", None, NOON).is_err());
    let error = file.revoke("aaaaaaaa", NOON).unwrap_err().to_string();
    assert!(error.contains("revoked = 2026-11-21T12:00:00Z"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), inline);
    assert!(!beside(&path).exists());
}

#[test]
fn a_new_file_is_its_owners_alone_and_an_old_one_never_everybodys() {
    let (_folder, path) = folder();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    KeyFile::at(&path).add("a", None, NOON).unwrap();
    assert_eq!(mode(), 0o600);
    for (before, after) in [(0o644, 0o640), (0o640, 0o640), (0o666, 0o640), (0o600, 0o600)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
        KeyFile::at(&path).add("a", None, NOON).unwrap();
        assert_eq!(mode(), after, "{before:o}");
    }
}

#[test]
fn a_link_to_the_file_stays_a_link() {
    let (folder, path) = folder();
    KeyFile::at(&path).add("a", None, NOON).unwrap();
    let link = folder.path().join("link.toml");
    symlink(&path, &link).unwrap();
    KeyFile::at(&link).add("b", None, NOON).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(KeyFile::at(&path).list().unwrap().len(), 2);
}

#[test]
fn a_second_editor_is_kept_out() {
    let (_folder, path) = folder();
    fs::write(beside(&path), "").unwrap();
    let error = KeyFile::at(&path).add("a", None, NOON).unwrap_err().to_string();
    assert!(error.contains("is being edited") && error.contains("keys.toml.new"), "{error}");
    assert!(!path.exists() && beside(&path).exists());
}

#[test]
fn an_unknown_or_revoked_id_cannot_be_revoked() {
    let (_folder, path) = folder();
    let file = KeyFile::at(&path);
    let secret = file.add("a", None, NOON).unwrap();
    file.revoke(secret.id(), NOON).unwrap();
    let again = file.revoke(secret.id(), NOON).unwrap_err().to_string();
    assert!(again.contains("was revoked at 2026-11-21T12:00:00Z"), "{again}");
    assert!(file.revoke("nobody00", NOON).unwrap_err().to_string().contains("no key `nobody00`"));
    assert!(!beside(&path).exists());
}

#[test]
fn each_mistake_in_a_file_is_told_with_its_place() {
    let key = |replaced: &str, by: &str| {
        format!(
            "[[key]]\nid = \"aaaaaaaa\"\nsha256 = \"{}\"\ntenant = \"x\"\ncreated = 2026-01-01T00:00:00Z\n",
            "0".repeat(64)
        )
        .replace(replaced, by)
    };
    let rows = [
        (key("aaaaaaaa", "AAAAAAAA"), "k.toml:2:6: an id is eight"),
        (key("000", "00g"), "k.toml:3:10: not a SHA-256"),
        (key("sha256 = \"0", "sha256 = \""), "k.toml:3:10: not a SHA-256"),
        (key("\"x\"", "\"\""), "k.toml:4:10: a name has"),
        (key("\"x\"", "\"\\n\""), "k.toml:4:10: a name has"),
        (key("T00:00:00Z", ""), "k.toml:5:11: a time is"),
        (key("tenant", "tenent"), "k.toml:4:1: unknown field `tenent`"),
        (key("tenant = \"x\"\n", ""), "missing field `tenant`"),
        (key("", "") + &key("", ""), "k.toml:7:6: a second key `aaaaaaaa`"),
        ("key = 3".to_owned(), "k.toml:1:7:"),
        ("[[key".to_owned(), "k.toml:1:"),
        (format!("key = {}", "[".repeat(100_000)), "k.toml:1:"),
    ];
    for (text, expected) in rows {
        let error = ApiKeys::parse(Path::new("k.toml"), &text).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected} is not in {error}");
    }
}

#[test]
fn a_key_of_a_tier_that_the_policy_has_not_is_told_with_its_place() {
    let (_folder, path) = folder();
    let file = KeyFile::at(&path);
    file.add("a", Some("free"), NOON).unwrap();
    let tiers = "[identity]\ndefault_tier = \"free\"\n[tiers.free]\n[tiers.premium]";
    let policy = |text: &str| Policy::parse(&Source::new("test.toml", text.as_bytes()).unwrap()).unwrap();
    assert!(ApiKeys::load_for(&path, &policy(tiers).tiers).is_ok());

    let gold = file.add("b", Some("gold"), NOON).unwrap();
    let error = ApiKeys::load_for(&path, &policy(tiers).tiers).unwrap_err().to_string();
    assert!(error.ends_with(":15:8: the policy has no tier `gold`; its tiers are free, premium"), "{error}");
    assert!(ApiKeys::load_for(&path, &policy("").tiers).is_ok(), "a policy without tiers sells none");

    file.revoke(gold.id(), NOON).unwrap();
    assert!(ApiKeys::load_for(&path, &policy(tiers).tiers).is_ok(), "what is revoked is not served");
}

#[test]
fn a_missing_file_has_no_keys_to_list_and_cannot_be_loaded() {
    let (_folder, path) = folder();
    assert!(KeyFile::at(&path).list().unwrap().is_empty());
    assert!(ApiKeys::load(&path).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn a_name_that_would_break_the_file_is_refused() {
    let (_folder, path) = folder();
    for name in ["", "a\nb", &"x".repeat(129)] {
        assert!(KeyFile::at(&path).add(name, None, NOON).is_err());
        assert!(KeyFile::at(&path).add("a", Some(name), NOON).is_err());
    }
    assert!(!path.exists());
}

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keys.toml");
    (folder, path)
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("toml.new")
}

const NOON: UtcTime = UtcTime::from_unix(1_795_262_400);
