//! Parts of the names of accounts.

use std::collections::HashSet;

use sluicegate::Algorithm;
use sluicegate_remote::{KeyedHash, letter, push_escaped};

#[test]
fn fingerprints_stay_the_same_from_release_to_release() {
    // SHA-256 of 64 zero bytes and `alice`, and of `secret` padded to 64 bytes and `alice`.
    let of = |secret: &[u8]| format!("{:032x}", KeyedHash::new(secret).fingerprint([b"alice".as_slice()]));
    assert_eq!(of(b""), "876533c89ae9294aedb976b1fcc2c710");
    assert_eq!(of(b"secret"), "8f61493c2a02b0e1b976cfdb39076dc4");
    // A secret that is longer than a block counts as its own hash.
    assert_eq!(of(&[7; 65]), "ed58f3b5ca357ee6fc8d93519ec646b4");
}

#[test]
fn a_text_has_one_fingerprint_however_it_is_given() {
    let hash = KeyedHash::new(b"secret");
    assert_eq!(hash.fingerprint([b"ali".as_slice(), b"ce"]), hash.fingerprint([b"alice".as_slice()]));
    assert_ne!(hash.fingerprint([b"alice".as_slice()]), hash.fingerprint([b"bob".as_slice()]));
    assert_ne!(hash.fingerprint([]), KeyedHash::new(b"other").fingerprint([]));
}

#[test]
fn a_secret_is_in_no_debug_text() {
    let text = format!("{:?}", KeyedHash::new(b"hunter2"));
    assert!(!text.contains("hunter2") && !text.contains("104"), "{text}");
}

#[test]
fn readable_names_have_nothing_in_them_that_means_something() {
    let escaped = |text, reserved: &[u8]| {
        let mut name = String::from("p:");
        push_escaped(&mut name, text, reserved);
        name
    };
    assert_eq!(escaped("alice {1}", b""), "p:alice%20{1}");
    assert_eq!(escaped("alice {1}", b"{}"), "p:alice%20%7B1%7D");
    assert_eq!(escaped("100%\r\n", b""), "p:100%25%0D%0A");
    assert_eq!(escaped("ключ", b""), "p:%D0%BA%D0%BB%D1%8E%D1%87");
}

#[test]
fn every_algorithm_has_a_letter_of_its_own() {
    let letters: HashSet<_> = Algorithm::ALL.map(letter).into_iter().collect();
    assert_eq!(letters.len(), Algorithm::ALL.len());
}
