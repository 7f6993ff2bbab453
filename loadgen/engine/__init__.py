"""What runs in the processes of Locust: groups of agents, their provisioning, the drivers of both models, and who conducts them."""
