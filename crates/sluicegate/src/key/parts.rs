//! Values that tell a limit's callers apart.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    rc::Rc,
    sync::Arc,
};

use super::{Key, KeyWriter};

/// A value that tells a limit's callers apart: text, a number, an address, or a tuple of them.
///
/// A tuple names the caller first: stores that spread accounts keep those of one caller together. `()` is one account for
/// all callers. Different values of one type make different keys.
///
/// ```
/// use sluicegate::{KeyParts, KeyWriter, Limit, Quota};
/// use std::net::Ipv4Addr;
///
/// let limit = Limit::new("rpm", Quota::per_minute(60));
/// assert_eq!(limit.key("alice").as_str(), "rpm|alice");
/// assert_eq!(limit.key(Ipv4Addr::LOCALHOST).as_str(), "rpm|127.0.0.1");
/// assert_eq!(limit.key(("acme", 7)).as_str(), "rpm|acme|7");
/// assert_eq!(limit.key(()).as_str(), "rpm");
///
/// // A type of your own:
/// struct User(u64);
///
/// impl KeyParts for User {
///     fn write_to(&self, key: &mut KeyWriter<'_>) {
///         key.display(self.0);
///     }
/// }
/// assert_eq!(limit.key(User(42)).as_str(), "rpm|42");
/// ```
pub trait KeyParts {
    /// Adds the parts to a key.
    fn write_to(&self, key: &mut KeyWriter<'_>);
}

impl<T: KeyParts + ?Sized> KeyParts for &T {
    #[inline]
    fn write_to(&self, key: &mut KeyWriter<'_>) {
        (**self).write_to(key);
    }
}

impl KeyParts for str {
    #[inline]
    fn write_to(&self, key: &mut KeyWriter<'_>) {
        key.text(self);
    }
}

impl KeyParts for () {
    fn write_to(&self, _key: &mut KeyWriter<'_>) {}
}

macro_rules! text {
    ($($type:ty),*) => {$(
        impl KeyParts for $type {
            #[inline]
            fn write_to(&self, key: &mut KeyWriter<'_>) {
                key.text(self);
            }
        }
    )*};
}

text!(String, Cow<'_, str>, Box<str>, Rc<str>, Arc<str>);

impl KeyParts for Key {
    fn write_to(&self, key: &mut KeyWriter<'_>) {
        key.text(self.as_str());
    }
}

macro_rules! display {
    ($($type:ty),*) => {$(
        impl KeyParts for $type {
            fn write_to(&self, key: &mut KeyWriter<'_>) {
                key.display(self);
            }
        }
    )*};
}

display!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char);
display!(IpAddr, Ipv4Addr, Ipv6Addr);

macro_rules! tuple {
    ($($part:ident),*) => {
        impl<$($part: KeyParts),*> KeyParts for ($($part,)*) {
            #[expect(non_snake_case, reason = "a part has the name of its type")]
            fn write_to(&self, key: &mut KeyWriter<'_>) {
                let ($($part,)*) = self;
                $($part.write_to(key);)*
            }
        }
    };
}

tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
