mod path;
mod rig;
mod wired;
