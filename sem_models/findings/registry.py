"""The claims after Bolton, Smith & Wagner (2003) and what each needs of a survey, by id."""

from __future__ import annotations

CLAIMS = {
    "C1": ("Social bonds weigh more than economic ones on value and satisfaction with representatives",
           "items of both services, value and satisfaction with representatives"),
    "C2": ("Structural bonds weigh more on overall satisfaction",
           "items of both services and overall satisfaction"),
    "C3": ("Value mediates between service, satisfaction and intentions",
           "items of service, value and intentions"),
    "C4": ("Employee-delivered service compensates for lower operational service",
           "items of both services and value"),
    "C5": ("Company-initiated visits are worth less than customer-initiated calls",
           "counts of on-site visits and of customers' calls"),
    "C6": ("On-site visits do harm for many customers",
           "counts of on-site visits and items of relationship activity"),
    "C7": ("Only customers with high prior value and an active relationship welcome visits",
           "counts of on-site visits, items of relationship activity and of prior value"),
    "C8": ("Active customers are more satisfied with the same service",
           "a column that tells active from inactive relationships"),
    "C9": ("Active customers get more out of both services",
           "a column that tells active from inactive relationships, or items of relationship activity"),
    "C10": ("Length, nature and quality of the relationship moderate the response",
            "tenure, relationship activity and prior value"),
    "C11": ("Satisfaction is necessary but not sufficient", "items of satisfaction, value and intentions"),
    "C12": ("One service mix does not fit all customers", "moderators of the response to service"),
    "C13": ("Measure more than satisfaction", "items of satisfaction, value and intentions"),
}  # fmt: skip
"""Claim id → (title, what it needs)."""
