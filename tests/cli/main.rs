//! The `relay` command as its users run it: the built program, a module for each of its commands.

mod calls;
mod doctor;
mod examples;
mod pages;
mod sim;
mod support;
mod web;
