//! Where the sessions of users are connected: the table of routes.

mod heard;
mod routes;

pub(crate) use self::heard::Heard;
pub(crate) use self::routes::{
    Bound, Gateway, Key, MemoryLimits, MemoryRoutes, RedisLimits, RedisRoutes, Route, Routes,
    RoutesError,
};
