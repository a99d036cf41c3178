//! Who runs the server, as far as host or catalogue show it, and what is done another way there.
//!
//! Managed services have no superuser: settings are changed in their consoles, and the right to replicate is a role of
//! theirs. What cannot be said in SQL is a `--` comment.

use tokio_postgres::Client;

use super::super::{identifier, literal};
use crate::config::postgres::ConnectionConfig;

/// A service that runs PostgreSQL for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Provider {
    /// None that is known: a server of one's own.
    #[default]
    Own,
    Rds,
    Aurora,
    CloudSql,
    AlloyDb,
    Azure,
    Supabase,
    Neon,
}

impl Provider {
    /// By the ends of the names that the services give.
    pub fn of_host(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let under = |domain: &str| host.ends_with(domain);
        match () {
            () if under(".rds.amazonaws.com") || under(".rds.amazonaws.com.cn") => {
                let cluster = host.split('.').nth(1).is_some_and(|part| part.starts_with("cluster-"));
                if cluster { Self::Aurora } else { Self::Rds }
            }
            () if under(".postgres.database.azure.com") => Self::Azure,
            () if under(".supabase.co") || under(".supabase.com") => Self::Supabase,
            () if under(".neon.tech") => Self::Neon,
            () if under(".sql.goog") => Self::CloudSql,
            () if under(".alloydb.goog") => Self::AlloyDb,
            () => Self::Own,
        }
    }

    /// By roles and functions that only they have; what the host shows otherwise.
    pub async fn find(client: &Client, host: &str) -> Self {
        let query = "select case \
             when exists (select 1 from pg_proc where proname = 'aurora_version') then 'aurora' \
             else (select min(rolname::text) from pg_roles where rolname in \
                   ('rds_superuser', 'alloydbsuperuser', 'cloudsqlsuperuser', 'azure_pg_admin', 'supabase_admin', 'neon_superuser')) end";
        let seen = client.query_one(query, &[]).await.and_then(|row| row.try_get::<_, Option<String>>(0)).unwrap_or_default();
        match seen.as_deref() {
            Some("aurora") => Self::Aurora,
            Some("rds_superuser") => Self::Rds,
            Some("alloydbsuperuser") => Self::AlloyDb,
            Some("cloudsqlsuperuser") => Self::CloudSql,
            Some("azure_pg_admin") => Self::Azure,
            Some("supabase_admin") => Self::Supabase,
            Some("neon_superuser") => Self::Neon,
            _ => Self::of_host(host),
        }
    }

    /// What a person calls it; empty for a server of one's own.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "",
            Self::Rds => "Amazon RDS",
            Self::Aurora => "Amazon Aurora",
            Self::CloudSql => "Google Cloud SQL",
            Self::AlloyDb => "Google AlloyDB",
            Self::Azure => "Azure Database",
            Self::Supabase => "Supabase",
            Self::Neon => "Neon",
        }
    }

    /// How `wal_level` becomes `logical`.
    pub fn logical_wal(self) -> String {
        let there = match self {
            Self::Own => {
                return "ALTER SYSTEM SET wal_level = 'logical';       -- then restart PostgreSQL (reload is not enough)\n\
                        -- in Docker: command: [\"postgres\", \"-c\", \"wal_level=logical\"]"
                    .to_owned();
            }
            Self::Rds => "set rds.logical_replication = 1 in the instance's parameter group, then reboot",
            Self::Aurora => "set rds.logical_replication = 1 in the DB cluster's parameter group, then reboot the writer",
            Self::CloudSql => "set the flag cloudsql.logical_decoding = on; the instance restarts",
            Self::AlloyDb => "set the flag alloydb.logical_decoding = on; the instance restarts",
            Self::Azure => "set the server parameter wal_level = LOGICAL, then restart",
            Self::Supabase => "wal_level is logical there by itself: ask its support",
            Self::Neon => "enable logical replication in the project's settings",
        };
        format!("-- {}: {there}", self.name())
    }

    /// How a setting is changed.
    pub fn setting(self, name: &str, value: &str, restart: bool) -> String {
        let then = if restart { ", then restart" } else { "" };
        match self {
            Self::Own if restart => format!("ALTER SYSTEM SET {name} = {};       -- then restart PostgreSQL", literal(value)),
            Self::Own => format!("ALTER SYSTEM SET {name} = {};\nSELECT pg_reload_conf();", literal(value)),
            Self::Rds | Self::Aurora => format!("-- {}: set {name} = {value} in the parameter group{then}", self.name()),
            Self::CloudSql | Self::AlloyDb => format!("-- {}: set the flag {name} = {value}{then}", self.name()),
            Self::Azure => format!("-- {}: set the server parameter {name} = {value}{then}", self.name()),
            Self::Supabase => format!("-- Supabase: supabase --experimental postgres-config update --config {name}={value}"),
            Self::Neon => format!("-- Neon: {name} is set by the service"),
        }
    }

    /// How a role gets the right to replicate.
    pub fn replication(self, role: &str) -> String {
        let role = identifier(role);
        match self {
            Self::Rds | Self::Aurora => format!("GRANT rds_replication TO {role};"),
            Self::Neon => format!("ALTER ROLE {role} REPLICATION;       -- roles that Neon's console makes have it"),
            _ => format!("ALTER ROLE {role} REPLICATION;"),
        }
    }

    /// How to get past a pooler.
    pub fn direct(self, config: &ConnectionConfig) -> String {
        let (host, port) = (&config.host, config.port);
        if host.ends_with(".pooler.supabase.com") {
            let project = config.user.split_once('.').map_or("PROJECT", |(_, project)| project);
            return format!("-- Supabase: connect to db.{project}.supabase.co:5432 as postgres (IPv6, or the IPv4 add-on)");
        }
        if host.contains("-pooler") {
            return format!("-- connect to {} instead of {host}", host.replacen("-pooler", "", 1));
        }
        match (self, port) {
            (Self::Azure | Self::Supabase, 6432 | 6543) => format!("-- connect to {host}:5432: port {port} is the pooler's"),
            (Self::Rds | Self::Aurora, _) if host.contains(".proxy-") => {
                format!("-- {}: connect to the instance's endpoint: RDS Proxy does not speak replication", self.name())
            }
            _ => "-- connect to the server itself, not the pooler (often port 5432)".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_known_by_their_hosts() {
        for (host, provider) in [
            ("shop.abc123.eu-west-1.rds.amazonaws.com", Provider::Rds),
            ("shop.cluster-abc123.eu-west-1.rds.amazonaws.com", Provider::Aurora),
            ("shop.postgres.database.azure.com", Provider::Azure),
            ("db.xyz.supabase.co", Provider::Supabase),
            ("aws-0-eu-central-1.pooler.supabase.com", Provider::Supabase),
            ("ep-cool-name-123-pooler.eu-central-1.aws.neon.tech", Provider::Neon),
            ("db.internal", Provider::Own),
            ("10.0.0.1", Provider::Own),
        ] {
            assert_eq!(Provider::of_host(host), provider, "{host}");
        }
    }

    #[test]
    fn each_service_is_told_its_own_way() {
        assert!(Provider::Own.setting("max_wal_senders", "20", true).starts_with("ALTER SYSTEM SET max_wal_senders = '20';"));
        for provider in
            [Provider::Rds, Provider::Aurora, Provider::CloudSql, Provider::AlloyDb, Provider::Azure, Provider::Supabase, Provider::Neon]
        {
            for text in [provider.logical_wal(), provider.setting("max_wal_senders", "20", true)] {
                assert!(text.starts_with(&format!("-- {}", provider.name())), "{text}");
            }
        }
        assert_eq!(Provider::Rds.replication("cdc"), "GRANT rds_replication TO \"cdc\";");
        let direct = |url: &str| {
            let config = ConnectionConfig::from_url(url).expect("a URL");
            Provider::of_host(&config.host).direct(&config)
        };
        assert_eq!(
            direct("postgres://u@ep-a-1-pooler.eu.aws.neon.tech/d"),
            "-- connect to ep-a-1.eu.aws.neon.tech instead of ep-a-1-pooler.eu.aws.neon.tech"
        );
        assert!(direct("postgres://postgres.xyz@aws-0-eu.pooler.supabase.com:6543/d").contains("db.xyz.supabase.co:5432"));
        assert!(direct("postgres://u@shop.postgres.database.azure.com:6432/d").contains("shop.postgres.database.azure.com:5432"));
        assert!(direct("postgres://u@p.proxy-abc.eu-west-1.rds.amazonaws.com/d").contains("RDS Proxy"));
    }
}
