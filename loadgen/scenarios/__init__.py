"""Who does what: one short file a scenario, and the catalogue of all."""
