DELETE FROM done WHERE what = 'view';
