"""Shops to try longtail on: a real grocer and a generated boutique."""
