#!/bin/sh
# Runs the batch of ilod.batch=FILE. The boot continues even if the batch fails.
ilod-pe cmdline || warn "ilod: exit status $?"
