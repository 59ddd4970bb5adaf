//! The policy as a JSON document, for operators.

mod meter;

use std::{path::Path, time::Duration};

use http::{HeaderName, Method};
use serde_json::{Map, Value, json};

use crate::{
    Cors, DecisionLogSettings, DecisionsSettings, Descriptor, EjectionSettings, Forwarding, GatewaySettings,
    HealthSettings, Hidden, Identity, Limit, Policy, Responses, Route, Scale, StoreSettings,
    TelemetrySettings, Terms, Tiers, Timeouts, TlsSettings, Upstream, Warmup,
    config::hidden::MASK,
    decide::{cors::Origins, trusted_proxy},
};

impl Policy {
    /// The policy as it is at work: every setting with its default, every limit with what each tier gets of it. The words
    /// are those of the policy file. Passwords, secrets and tokens are `***`, and no file that it names is read.
    ///
    /// ```
    /// use sluicegate_policy::{Policy, Source};
    ///
    /// let text = "[store]\nurl = 'redis://:hunter2@cache'\n[defaults]\nlimits = ['10/minute']";
    /// let document = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?.document();
    /// assert_eq!(document["limits"][0]["quotas"]["default"], "10/minute");
    /// assert_eq!(document["gateway"]["header_timeout"], "30s");
    /// assert_eq!(document["store"]["url"], "redis://:***@cache");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn document(&self) -> Value {
        // All of it by name, here and below, so that nothing new is left out unseen.
        let Self {
            gateway,
            store,
            identity,
            tiers,
            warmup,
            limits,
            routes,
            responses: Responses { headers, retry_after_max },
            cors,
            decision_log,
            telemetry,
            decisions,
            // They are about the file, and this is the result of it.
            warnings: _,
        } = self;
        json!({
            "gateway": self::gateway(gateway),
            "store": self::store(store),
            "identity": self.identity(identity),
            "tiers": self::tiers(tiers),
            "warmup": warmup.as_deref().map(self::warmup),
            "limits": limits.iter().map(|limit| self.limit_document(limit)).collect::<Vec<_>>(),
            "routes": routes.as_slice().iter().map(|route| self.route_document(route)).collect::<Vec<_>>(),
            "responses": { "headers": headers, "retry_after_max": retry_after_max.map(period) },
            "cors": cors.as_deref().map(self::cors),
            "decision_log": decision_log.as_ref().map(self::decision_log),
            "telemetry": telemetry.as_ref().map(self::telemetry),
            "decisions": decisions.as_ref().map(self::decisions),
        })
    }

    fn identity(&self, identity: &Identity) -> Value {
        let Identity { api_keys, tier_header, failures, ipv6_prefix } = identity;
        json!({
            "api_keys": api_keys.as_deref().map(path),
            "tier": tier_header.as_ref().map(|header| format!("header:{header}")),
            "default_tier": self.tiers.name(self.tiers.default_tier()),
            "failures": failures.map(|id| self.limit(id).name()),
            "ipv6_prefix": ipv6_prefix,
        })
    }

    fn limit_document(&self, limit: &Limit) -> Value {
        let tiers = &self.tiers;
        let quotas: Map<_, _> = tiers
            .ids()
            .map(|tier| (tiers.name(tier).to_owned(), limit.quota(tier).to_string().into()))
            .collect();
        let key: Vec<_> = limit.key_template().parts().iter().map(ToString::to_string).collect();
        let mut document = json!({
            "name": limit.name(),
            "key": if key.is_empty() { vec!["global".to_owned()] } else { key },
            "unit": limit.unit().as_str(),
            "algorithm": limit.quota(tiers.default_tier()).algorithm().as_str(),
            "mode": limit.mode(),
            "outage": limit.outage().as_str(),
            "quotas": quotas,
        });
        if limit.unit().is_tokens() {
            let Terms { reserve, debt, on_exhausted } = limit.terms();
            document["reserve"] = json!(reserve);
            document["max_debt"] = json!(Some(debt.most).filter(|most| *most < u64::MAX));
            document["on_exhausted"] = json!(on_exhausted);
        }
        document
    }

    fn route_document(&self, route: &Route) -> Value {
        let Timeouts { response, idle, total } = route.timeouts();
        let Forwarding { removed_headers, retry_after, slots_until } = route.forwarding();
        let limits: Vec<_> = route.limits().iter().map(|id| self.limit(*id).name()).collect();
        json!({
            "path": route.label(),
            "descriptor": route.descriptor().map(descriptor),
            "charge": route.descriptor().map(Descriptor::charging),
            "methods": route.methods().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "tier": route.tier().map(|tier| self.tiers.name(tier)),
            "meter": meter::document(route.meter()),
            "weight": route.weight(),
            "limits": limits,
            "response_timeout": response.map(period),
            "idle_timeout": idle.map(period),
            "timeout": total.map(period),
            "remove_request_headers": removed_headers.iter().map(HeaderName::as_str).collect::<Vec<_>>(),
            "retry_after": retry_after.map(period),
            "slots_until": slots_until,
        })
    }
}

fn descriptor(descriptor: &Descriptor) -> Value {
    let Descriptor { domain, entries, charging: _ } = descriptor;
    json!({ "domain": domain, "entries": entries.iter().map(ToString::to_string).collect::<Vec<_>>() })
}

fn decision_log(settings: &DecisionLogSettings) -> Value {
    let DecisionLogSettings { path, max_size, files, keys } = settings;
    json!({ "path": self::path(path), "max_size": max_size, "files": files, "keys": keys })
}

fn telemetry(settings: &TelemetrySettings) -> Value {
    let TelemetrySettings { endpoint, headers, service_name, traces, sampling, metrics, metrics_interval } =
        settings;
    let headers: Vec<_> = headers.iter().map(|(name, _)| format!("{name}={MASK}")).collect();
    json!({
        "endpoint": endpoint.to_string(),
        "headers": (!headers.is_empty()).then(|| headers.join(",")),
        "service_name": service_name,
        "traces": traces,
        "sampling": sampling,
        "metrics": metrics,
        "metrics_interval": period(*metrics_interval),
    })
}

fn decisions(settings: &DecisionsSettings) -> Value {
    let DecisionsSettings { listen, resp, token, tls, lease, max_permits } = settings;
    json!({
        "listen": listen,
        "resp": resp,
        "token": token.as_ref().map(Hidden::to_string),
        "tls": tls.as_ref().map(self::tls),
        "lease": period(*lease),
        "max_permits": max_permits,
    })
}

fn gateway(settings: &GatewaySettings) -> Value {
    let GatewaySettings {
        listen,
        reuse_port,
        tls,
        upstreams,
        rewrite_redirects,
        upstream_ca,
        admin,
        admin_token,
        trusted_proxies,
        proxy_protocol,
        forwarded_header,
        max_body,
        max_head,
        max_headers,
        max_response_head,
        max_response_headers,
        interim_responses,
        http2_max_streams,
        http2_max_resets,
        max_connections,
        max_connections_per_ip,
        threads,
        connect_timeout,
        retries,
        health,
        ejection,
        slow_start,
        response_timeout,
        idle_timeout,
        header_timeout,
        client_keep_alive,
        keep_alive,
        drain_timeout,
        drain_idle_timeout,
        log,
        log_keys,
    } = settings;
    let trusted_proxies: Vec<_> = trusted_proxies.iter().map(trusted_proxy::written).collect();
    json!({
        "listen": listen,
        "reuse_port": reuse_port,
        "tls": tls.as_ref().map(self::tls),
        "upstream": upstreams.iter().map(upstream).collect::<Vec<_>>(),
        "rewrite_redirects": rewrite_redirects,
        "upstream_ca": upstream_ca.as_deref().map(path),
        "admin": admin,
        "admin_token": admin_token.as_ref().map(Hidden::to_string),
        "trusted_proxies": trusted_proxies,
        "proxy_protocol": proxy_protocol,
        "forwarded_header": forwarded_header,
        "max_body": max_body,
        "max_head": max_head,
        "max_headers": max_headers,
        "max_response_head": max_response_head,
        "max_response_headers": max_response_headers,
        "interim_responses": interim_responses,
        "http2_max_streams": http2_max_streams,
        "http2_max_resets": http2_max_resets,
        "max_connections": max_connections,
        "max_connections_per_ip": max_connections_per_ip,
        "threads": threads,
        "connect_timeout": period(*connect_timeout),
        "retries": retries,
        "health": health.as_ref().map(self::health),
        "ejection": self::ejection(*ejection),
        "slow_start": period(*slow_start),
        "response_timeout": period(*response_timeout),
        "idle_timeout": period(*idle_timeout),
        "header_timeout": period(*header_timeout),
        "client_keep_alive": period(*client_keep_alive),
        "keep_alive": period(*keep_alive),
        "drain_timeout": period(*drain_timeout),
        "drain_idle_timeout": period(*drain_idle_timeout),
        "log": log,
        "log_keys": log_keys,
    })
}

fn upstream(upstream: &Upstream) -> Value {
    json!({ "url": upstream.to_string(), "weight": upstream.weight() })
}

fn tls(TlsSettings { certificate, key, client_ca }: &TlsSettings) -> Value {
    json!({ "certificate": path(certificate), "key": path(key), "client_ca": client_ca.as_deref().map(path) })
}

fn health(HealthSettings { path, interval, timeout, healthy, unhealthy }: &HealthSettings) -> Value {
    json!({
        "path": path,
        "interval": period(*interval),
        "timeout": period(*timeout),
        "healthy": healthy,
        "unhealthy": unhealthy,
    })
}

fn ejection(EjectionSettings { failures, time, max_time, answers }: EjectionSettings) -> Value {
    json!({
        "failures": failures.map_or(0, std::num::NonZeroU32::get),
        "time": period(time),
        "max_time": period(max_time),
        "answers": answers,
    })
}

fn store(settings: &StoreSettings) -> Value {
    let StoreSettings {
        url,
        prefix,
        keys,
        secret,
        timeout,
        lease,
        ca,
        outage,
        replicas,
        max_keys,
        remember_denials,
        chunks,
    } = settings;
    json!({
        "url": url.to_string(),
        "prefix": prefix,
        "keys": keys,
        "secret": secret.as_ref().map(Hidden::to_string),
        "timeout": period(*timeout),
        "lease": period(*lease),
        "ca": ca.as_deref().map(path),
        "outage": outage.as_str(),
        "replicas": replicas,
        "max_keys": max_keys,
        "remember_denials": remember_denials,
        "chunks": chunks.map(|chunks| json!({ "share": factor(chunks.share), "life": period(chunks.life) })),
    })
}

fn tiers(tiers: &Tiers) -> Value {
    let tier = |tier: &crate::Tier| (tier.name().to_owned(), json!({ "scale": factor(tier.scale()) }));
    tiers.as_slice().iter().map(tier).collect::<Map<_, _>>().into()
}

fn warmup(warmup: &Warmup) -> Value {
    json!({ "scale": factor(warmup.scale), "ready": warmup.path(), "ramp": period(warmup.ramp) })
}

fn cors(cors: &Cors) -> Value {
    let Cors {
        origins,
        methods,
        headers,
        expose,
        credentials,
        max_age,
        preflight,
        charge_preflights,
        exposed: _,
        exposed_line: _,
    } = cors;
    let words = |names: &[HeaderName]| json!(names.iter().map(HeaderName::as_str).collect::<Vec<_>>());
    json!({
        "origins": match origins {
            Origins::Any => json!("*"),
            Origins::Listed(origins) => origins.iter().map(ToString::to_string).collect(),
        },
        "methods": methods.iter().map(Method::as_str).collect::<Vec<_>>(),
        "headers": headers.as_deref().map_or(json!("*"), words),
        "expose": words(expose),
        "credentials": credentials,
        "max_age": period(*max_age),
        "preflight": preflight,
        "charge_preflights": charge_preflights,
    })
}

fn factor(scale: Scale) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a million times a million is exact")]
    let millionths = scale.millionths() as f64;
    millionths / 1e6
}

/// As the policy file writes durations, whose smallest unit is the millisecond.
fn period(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
