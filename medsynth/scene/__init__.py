"""Named structures, the subject they belong to, and their rasterisation."""
