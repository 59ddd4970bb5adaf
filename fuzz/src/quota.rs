//! The quota grammar.

use sluicegate::Quota;

/// A quota reads back as it is written, alone and in a list, and an error points into the text.
pub fn quota(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match text.parse::<Quota>() {
        Ok(quota) => {
            assert_eq!(quota.to_string().parse(), Ok(quota));
            assert_eq!(Quota::parse_list(text), Ok(vec![quota]), "a list of one");
        }
        Err(error) => assert!(text.get(error.span()).is_some() && !error.to_string().is_empty(), "{error:?}"),
    }
    match Quota::parse_list(text) {
        Ok(quotas) => {
            let written: Vec<_> = quotas.iter().map(Quota::to_string).collect();
            assert_eq!(Quota::parse_list(&written.join("; ")), Ok(quotas));
        }
        Err(error) => assert!(text.get(error.span()).is_some() && !error.to_string().is_empty(), "{error:?}"),
    }
}
