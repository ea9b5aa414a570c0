mod neighbours;
mod path;
mod promises;
mod rig;
mod wired;
