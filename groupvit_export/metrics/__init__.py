"""What a lower precision costs in label maps, and what it gains in time: needs the runtime only."""
