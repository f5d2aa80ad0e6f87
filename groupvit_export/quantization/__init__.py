"""int8: ranges by NNCF, a sensitivity for every layer, and layers given back until the budget holds."""
