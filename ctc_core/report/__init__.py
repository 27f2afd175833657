"""The report on one cartridge: what it says (`content`), how it looks (`pdf`), who answers for it (`sign`)."""
