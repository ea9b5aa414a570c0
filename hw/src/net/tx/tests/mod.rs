mod neighbours;
mod path;
mod rig;
mod wired;
