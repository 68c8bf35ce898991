SELECT change_id, state, batches, done_rows, total_rows, batch_cursor, updated_at FROM flamingock_progress
