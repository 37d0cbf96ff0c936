"""Lesions of the catalogue in somebody's own image: real or simulated, CT, MR or radiograph."""
