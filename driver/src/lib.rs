//! Userspace driver: endpoint protocol, services and lines back ends.
