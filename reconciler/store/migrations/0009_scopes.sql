-- Limits of deployments. Only expands what was there before.

-- What the machine was bound for when it was destroyed, by the name of then; of before this column nothing is known.
ALTER TABLE destroyed ADD COLUMN deployment text;
