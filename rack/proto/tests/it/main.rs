//! The rack's protocols, driven by case files and by chance.

mod dhcp;
