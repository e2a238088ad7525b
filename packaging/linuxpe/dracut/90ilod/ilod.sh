#!/bin/sh
# Runs the batch of ilod.batch=FILE; boot goes on whatever becomes of it.
ilod-pe cmdline || warn "ilod: exit status $?"
