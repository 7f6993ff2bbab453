"""Cases written by hand, in modules named after the sections of the protocol that they are about."""
