"""Challenge submissions: written from a run, checked by an independent reader, with a card of where they come from."""
