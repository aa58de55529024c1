"""What a fit says about the claims: scorecard, trade-offs, profiles, priorities, necessity, replication."""
