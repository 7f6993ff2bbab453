"""Load tests whose numbers are true: scenarios of many agents on Locust, measured without loss, judged by the rules of `specs.history`.

Reading order: `plan` and `arrivals` (what is asked for), `measure` (what is kept), `client` (agents on the event loop), `provisioning`,
`scenarios` (who does what), `judging` (the tape and its judge), `engine` (one process, and who conducts all), `locustfile` (what Locust
runs), `results` and `objectives` (what it comes to), `command` and `cli`.
"""
