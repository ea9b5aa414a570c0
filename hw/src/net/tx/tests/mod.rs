mod neighbours;
mod orphans;
mod path;
mod promises;
mod rig;
mod wired;
