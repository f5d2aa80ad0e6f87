"""Building packages of AOTInductor."""
