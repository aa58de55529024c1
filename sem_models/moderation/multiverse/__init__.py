"""Every applicable method of moderation side by side: one table, one chart, disagreement explained."""
