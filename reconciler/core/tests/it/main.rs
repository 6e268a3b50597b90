//! Case files and properties: the decisions from outside, as the shells call them.

mod decide;
mod pages;
mod planning;
mod properties;
