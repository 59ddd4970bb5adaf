//! Explanations for people.

use std::fmt;

use sluicegate::{Unit, Wait};

use super::{Explanation, JudgedLimit};
use crate::amounts::{amount, seconds};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, route, caller, tokens, limits, denied_in_shadow, .. } = self;
        writeln!(f, "request    {request}")?;
        writeln!(f, "route      {route}")?;
        f.write_str("caller     ")?;
        if let Some(client_ip) = &caller.client_ip {
            write!(f, "{client_ip}, ")?;
        }
        if let (Some(tenant), Some(api_key)) = (&caller.tenant, &caller.api_key) {
            write!(f, "tenant {tenant}, API key {api_key}, ")?;
        }
        writeln!(f, "tier {}", caller.tier)?;
        if let Some((input, output)) = tokens {
            writeln!(f, "tokens     {input} of input and {output} of output are reserved")?;
        }
        if !limits.is_empty() {
            f.write_str("\n")?;
        }
        let width = |text: fn(&JudgedLimit) -> usize| limits.iter().map(text).max().unwrap_or_default();
        let (name, quota) =
            (width(|limit| limit.name.len()), width(|limit| limit.charge.quota.to_string().len()));
        for judged in limits {
            let JudgedLimit { charge, balance, .. } = judged;
            let unit = charge.quota.unit();
            write!(
                f,
                "  {:name$}  {:quota$}  costs {}, {} left",
                judged.name,
                charge.quota.to_string(),
                told(charge.cost.units(), unit),
                told(balance.remaining, unit)
            )?;
            match balance.wait {
                Wait::None => {}
                Wait::For(wait) => write!(f, ": denies for {} s", seconds(wait))?,
                Wait::Release => f.write_str(": denies until a slot is given back")?,
                Wait::Forever => f.write_str(": denies for ever, as it never holds so much")?,
            }
            writeln!(f, "\n  {:name$}  account {}", "", judged.account)?;
        }
        for limit in denied_in_shadow {
            writeln!(f, "  {limit}  would deny, but is in shadow mode")?;
        }
        self.response(f)
    }
}

impl Explanation {
    fn response(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let response = &self.response;
        match response.status {
            None if response.headers.is_empty() => f.write_str("\nAdmitted.\n")?,
            None => f.write_str("\nAdmitted. To the upstream's response, the gateway adds\n")?,
            Some(status) => {
                let outcome = match self.outcome {
                    "preflight" => "A preflight, which the gateway answers",
                    "denied" => "Denied",
                    _ => "Refused",
                };
                writeln!(f, "\n{outcome}: {status}")?;
            }
        }
        for (name, value) in &response.headers {
            writeln!(f, "  {name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        if !response.body.is_empty() {
            writeln!(f, "\n{}", String::from_utf8_lossy(&response.body))?;
        }
        Ok(())
    }
}

fn told(units: u64, unit: Unit) -> String {
    amount(units, unit).to_string()
}
