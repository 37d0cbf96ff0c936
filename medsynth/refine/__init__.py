"""The optional refiner: more of a scan's look, and every label still true. torch and monai are imported only here."""
