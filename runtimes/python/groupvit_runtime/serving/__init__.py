"""A bundle over HTTP: `groupvit serve`. Extra `serve` (FastAPI, uvicorn, prometheus-client)."""
